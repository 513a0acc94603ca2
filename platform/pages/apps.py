from django.apps import AppConfig


class PagesConfig(AppConfig):
    """What every page shares: template tags, charts, and the check of the colours. No models."""

    name = "pages"
