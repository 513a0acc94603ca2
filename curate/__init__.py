"""From feedback to training data: recipes, builders of rows, freezing with lineage, and the pages of datasets."""
