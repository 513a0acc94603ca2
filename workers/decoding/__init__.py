"""Ways to choose the next token beside sampling: pure functions of log-probabilities, and what puts them to work."""
