"""The only place where torch is imported. `celery -A workers` finds the application here."""

from config.celery import app as celery

__all__ = ["celery"]
