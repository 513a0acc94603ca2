"""What must be done once before the site can serve: migrations, static files, a first admin. Fast when it is done."""

import hashlib
import os
import sys
from pathlib import Path

from django.conf import settings

ADMIN_VARIABLES = ("PALATE_ADMIN_USER", "PALATE_ADMIN_PASSWORD", "PALATE_ADMIN_EMAIL")


def prepare() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    migrate()
    collect_static()


def close() -> None:
    """Close this process's connections: forks must not share one."""
    from django.db import connections

    connections.close_all()


def migrate() -> None:
    from django.core.management import call_command
    from django.db import DEFAULT_DB_ALIAS, connections
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        print(f"Migrations: {len(waiting)} to apply", flush=True)
        call_command("migrate", interactive=False, verbosity=0)


def collect_static() -> None:
    """Copy, hash and compress the static files, unless none of them changed since the last time."""
    from django.core.management import call_command

    stamp = Path(settings.STATIC_ROOT) / ".sources"
    sources = static_sources()
    if stamp.exists() and stamp.read_text() == sources:
        return
    print("Static files: collecting", flush=True)
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    stamp.write_text(sources)


def static_sources() -> str:
    """A fingerprint of every static file's name, size and time of change."""
    from django.contrib.staticfiles.finders import get_finders

    digest = hashlib.sha256(settings.STORAGES["staticfiles"]["BACKEND"].encode())
    for finder in get_finders():
        for name, storage in sorted(finder.list([]), key=lambda found: found[0]):
            status = Path(storage.path(name)).stat()
            digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def ensure_admin() -> None:
    """A first superuser: from the environment, else asked for where someone can answer, else a hint."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    if get_user_model()._default_manager.filter(is_superuser=True).exists():
        return
    if os.environ.get("PALATE_ADMIN_USER"):
        admin_from_environment()
    elif sys.stdin.isatty():
        print("The site has no admin yet. Choose a name and a password for the first one.", flush=True)
        call_command("createsuperuser")
    else:
        print(
            "The site has no admin yet: run `.venv/bin/python manage.py createsuperuser` in another terminal, "
            "or set PALATE_ADMIN_USER and PALATE_ADMIN_PASSWORD and start again.",
            flush=True,
        )


def admin_from_environment() -> None:
    from django.contrib.auth import get_user_model
    from django.contrib.auth.password_validation import validate_password
    from django.core.exceptions import ValidationError

    name, password, email = (os.environ.get(variable, "") for variable in ADMIN_VARIABLES)
    manager = get_user_model()._default_manager
    if not password:
        sys.exit("PALATE_ADMIN_USER is set but PALATE_ADMIN_PASSWORD is not: set both, or neither.")
    if manager.filter(username=name).exists():
        sys.exit(f"PALATE_ADMIN_USER is {name!r}, who exists and is no admin: choose another name.")
    try:
        validate_password(password)
    except ValidationError as error:
        sys.exit(f"PALATE_ADMIN_PASSWORD is too weak: {' '.join(error.messages)}")
    manager.create_superuser(name, email, password)
    print(f"The first admin is {name}.", flush=True)
