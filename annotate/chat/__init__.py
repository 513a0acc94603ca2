"""Talking to models: replies that are being written, turns, pages."""
