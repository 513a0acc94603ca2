"""Pytest plugin, loaded before Django's settings: real PostgreSQL and Redis for the test run."""
