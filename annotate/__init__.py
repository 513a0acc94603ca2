"""Collecting: prompts, responses, tasks, assignments and feedback."""
