"""What there is to judge: prompts, pictures, tasks, and how they are given out."""
