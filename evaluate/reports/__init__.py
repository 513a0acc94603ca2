"""Leaderboards that leave the site: a file with everything in it, and a link for people without an account."""
