"""Settings. Everything that differs between machines comes from the environment; docs/configuration.md lists it."""

import os
import sys
from pathlib import Path

import dj_database_url
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

BASE_DIR = Path(__file__).resolve().parent.parent.parent
HOME = Path(os.environ.get("PALATE_HOME", BASE_DIR / "var")).resolve()
"""Where this machine keeps what it makes: artifacts, converted models, embedded services."""


def env_bool(name: str, default: bool) -> bool:
    value = os.environ.get(name)
    if value is None:
        return default
    if value.lower() in {"1", "true", "yes", "on"}:
        return True
    if value.lower() in {"0", "false", "no", "off", ""}:
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}. Use 1 or 0.")


def secret_key() -> str:
    """The key from the environment, or one made once and kept in PALATE_HOME with mode 600."""
    if key := os.environ.get("SECRET_KEY"):
        return key
    path = HOME / "secret_key"
    try:
        HOME.mkdir(parents=True, exist_ok=True)
        # O_EXCL: of two processes that start together one writes the key and the other reads it.
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return path.read_text()
    except OSError as error:
        raise ImproperlyConfigured(
            f"Cannot write {path}: {error.strerror}. Set SECRET_KEY, or PALATE_HOME to a folder that can be written."
        ) from error
    with os.fdopen(descriptor, "w") as file:
        key = get_random_secret_key()
        file.write(key)
    return key


SECRET_KEY = secret_key()
DEBUG = env_bool("DEBUG", False)
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]").split(",")
CSRF_TRUSTED_ORIGINS = [origin for origin in os.environ.get("CSRF_TRUSTED_ORIGINS", "").split(",") if origin]

INSTALLED_APPS = [
    "accounts",
    "registry",
    "annotate",
    "curate",
    "exchange",
    "evaluate",
    "workers",
    "pages",
    "django_htmx",
    "template_partials",
    "csp",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # Pads each page at random, so that its compressed length tells nothing of a token in it (BREACH).
    "django.middleware.gzip.GZipMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.navigation.navigation",
            ],
        },
    },
]

PREPARED_STATEMENTS = env_bool("PREPARED_STATEMENTS", True)
"""Off behind a pooler that gives out connections by transaction and does not know of them (PgBouncer before 1.21)."""
_database = dj_database_url.parse(os.environ.get("DATABASE_URL", "postgresql://localhost/palate"))
DATABASES = {
    "default": {
        **_database,
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        # Seconds and milliseconds: a database that hangs is noticed before a job's lease is over.
        "OPTIONS": {
            "connect_timeout": 10,
            "tcp_user_timeout": 30_000,
            # For accounts.statements: Django's own cursors put parameters into the text, and prepare nothing.
            "prepare_threshold": 2 if PREPARED_STATEMENTS else None,
            **_database.get("OPTIONS", {}),
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.sessions.Backend"]
SESSION_ENGINE = "accounts.sessions"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]
TIME_ZONE = os.environ.get("TIME_ZONE", "UTC")
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = HOME / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
ARTIFACTS = HOME / "artifacts"
"""Datasets, checkpoints and models: <job name>/attempt-N/... Shared storage where workers are several machines."""

# Behind a proxy that ends TLS, set HTTPS=1: cookies become secure-only and the forwarded scheme is believed.
HTTPS = env_bool("HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}

CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0")
CELERY_TASK_IGNORE_RESULT = True
# PostgreSQL holds the truth and a message is only a doorbell, so it is acknowledged early and no visibility
# timeout can matter in a job that runs for hours.
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 30.0
TEND_SECONDS = float(os.environ.get("PALATE_TEND_SECONDS", "5"))
CELERY_BEAT_SCHEDULE = {
    # A queued row whose message was lost is rung again, a lease that ran out is swept. It expires so that
    # messages do not pile up while no worker listens.
    "tend-jobs": {"task": "workers.tend_jobs", "schedule": TEND_SECONDS, "options": {"expires": 60}},
}
IMPORT_MB = float(os.environ.get("PALATE_IMPORT_MB", "2048"))
"""Megabytes that a file may have that is sent to be imported; it is streamed to ARTIFACTS/uploads."""
REFERENCE_CACHE_MB = float(os.environ.get("PALATE_REFERENCE_CACHE_MB", "1024"))
"""Megabytes of kept log-probabilities of references; those used longest ago go first, when a training begins."""

JOB_LEASE_SECONDS = float(os.environ.get("PALATE_JOB_LEASE_SECONDS", "90"))
"""A worker that has not been heard of for this long has lost its job."""
JOB_TRAIN_QUEUE = os.environ.get("PALATE_TRAIN_QUEUE", "")
"""Where jobs that load a model run, if not on queue `cpu`: set it to `gpu` where workers with GPUs listen there."""
JOB_DEVICE = os.environ.get("PALATE_DEVICE", "")
"""What the jobs of this worker see as CUDA_VISIBLE_DEVICES; start one worker a GPU, each with its own."""
JOB_RUNNER = [sys.executable, "-m", "workers.runner"]
"""The command that runs one attempt; the job's id and the attempt are added."""
JOB_STOP_GRACE_SECONDS = float(os.environ.get("PALATE_JOB_STOP_GRACE_SECONDS", "20"))
"""How long a child may take to save and stop before SIGTERM, and again before SIGKILL."""
TASK_LEASE_MINUTES = int(os.environ.get("PALATE_TASK_LEASE_MINUTES", "30"))
"""How long an annotator holds a task before it goes back to the queue."""
CODE_VERSION = os.environ.get("PALATE_CODE_VERSION", "")
"""What every model records as the code that made it; workers ask git where this is empty."""

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": os.environ.get("LOG_LEVEL", "INFO")},
}
