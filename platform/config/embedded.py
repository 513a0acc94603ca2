"""The embedded PostgreSQL and Redis of a single machine."""


def ensure_for_command(argv: list[str]) -> None:
    return None
