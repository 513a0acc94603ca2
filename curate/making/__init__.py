"""From a recipe and the answers of a project to rows: previewed, or frozen into a file that does not change."""
