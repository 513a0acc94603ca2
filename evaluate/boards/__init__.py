"""Leaderboards at any size: battles are counted as they come, and boards are kept for as long as the counts stay."""
