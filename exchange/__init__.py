"""What comes in and what goes out: imports and exports in the formats that the field uses."""
