"""Talk to two models of the project side by side; each vote is ordinary feedback."""
