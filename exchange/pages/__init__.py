"""The pages of imports and exports: thin views, and what they show."""
