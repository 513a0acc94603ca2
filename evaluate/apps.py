from django.apps import AppConfig


class EvaluateConfig(AppConfig):
    name = "evaluate"
    verbose_name = "Judgements"
