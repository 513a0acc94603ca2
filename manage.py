#!/usr/bin/env python
"""Palate's command line. With no DATABASE_URL set, commands use the embedded PostgreSQL under var/."""

import os
import sys

ROOT = os.path.dirname(os.path.abspath(__file__))
# So that `python manage.py` also works before `pip install -e .`.
sys.path[:0] = [path for path in (ROOT, os.path.join(ROOT, "platform")) if path not in sys.path]


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if sys.argv[1:2] == ["up"]:
        from config import supervisor

        sys.exit(supervisor.main(sys.argv[2:]))
    from config import embedded

    embedded.ensure_for_command(sys.argv)
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
