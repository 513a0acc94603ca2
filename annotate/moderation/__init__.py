"""What reviewers do: settle disagreements, flagged tasks, tasks whose answer is known."""
