"""The demo project: prompts written for it, responses that a sample job wrote, and simulated annotators."""
