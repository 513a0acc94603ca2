"""The Celery application. `celery -A workers worker -Q cpu` starts a worker."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
app = Celery("palate")
# Otherwise only the thread that imported this would send to our broker, and not those of a threaded web server.
app.set_default()
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["workers"])
