"""Formats of files. A new one is a file here and a line in FORMATS."""

from exchange.imports.base import Format

FORMATS: dict[str, Format] = {}
