"""Pieces that several formats use."""

from collections.abc import Mapping, Sequence

from exchange.imports.base import Becomes, Row

ANY = ("jsonl", "json", "csv", "parquet", "xlsx")
OBJECTS = ("jsonl", "json", "parquet")


def read(columns: Mapping[str, str]) -> dict[str, Becomes]:
    """{"winner": "winner(left=a)"} -> what each becomes."""
    return {name: Becomes.parse(text) for name, text in columns.items()}


def share(rows: Sequence[Row], test: object) -> float:
    """Of the rows, how many pass."""
    assert callable(test)
    return sum(bool(test(row)) for row in rows) / len(rows) if rows else 0.0


def language(name: object) -> object:
    """English -> en; what is a code already, or unknown, stays."""
    from django.conf.locale import LANG_INFO

    if not isinstance(name, str) or len(name) < 4:
        return name
    wanted = name.strip().lower()
    found = [code for code, info in LANG_INFO.items() if str(info.get("name", "")).lower() == wanted]
    return "zh" if wanted == "chinese" else found[0] if found else name
