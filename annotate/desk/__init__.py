"""What happens between an annotator and a task: give out, show, answer, change."""
