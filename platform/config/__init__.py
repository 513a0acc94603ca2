"""Wiring only: settings, URLs, Celery, and the embedded services of a single machine."""
