"""What is asked: protocols of steps, rubrics, and the pages on which they are written."""
