"""Reads the files that the commands of this app are given. Knows neither Django nor the database."""
