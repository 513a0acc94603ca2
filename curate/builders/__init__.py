"""The kinds of rows. A new one is a file here, a line in BUILDERS, and a value of BuildDatasetSpec.rows."""

from curate.builders.base import Builder

BUILDERS: dict[str, Builder] = {}

__all__ = ["BUILDERS", "Builder"]
