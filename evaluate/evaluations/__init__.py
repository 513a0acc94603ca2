"""Models against each other on the same prompts: planned, carried out step by step, and stopped when it is known."""
