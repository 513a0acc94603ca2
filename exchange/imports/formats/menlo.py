"""MENLO-style rows: a prompt in a language variety, two responses, and scores on each dimension (arXiv 2509.26601)."""

from collections.abc import Iterator, Sequence

from exchange.imports.base import Becomes, Format, Row
from exchange.imports.formats import tables
from exchange.imports.formats.common import ANY, read

KNOWN = read({
    "lang_code": "lang", "raw_prompt": "prompt", "response_a": "response:a", "response_b": "response:b",
    "model_a": "model:a", "model_b": "model:b", "annotator_id": "rater", "annotator": "rater", "rater_id": "rater",
    "dimension": "criterion",
})  # fmt: skip


def unfold(row: Row) -> Iterator[Row]:
    """Scores that lie in an object or list a side (`scores_a: {fluency: 4}`) become columns of their own."""
    found = dict(row)
    for side in ("a", "b"):
        for name in (f"scores_{side}", f"ratings_{side}", f"score_{side}"):
            given = found.get(name)
            if isinstance(given, dict):
                del found[name]
                found |= {f"score_{side}_{dimension}": value for dimension, value in given.items()}
    yield found


def guess(rows: Sequence[Row]) -> dict[str, Becomes]:
    """The scores, whatever the dimensions are called."""
    found = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        one = tables.guess_rating(name.lower(), [row.get(name) for row in rows]) if name not in KNOWN else None
        if one:
            found[name] = one
    return found


MENLO = Format(
    slug="menlo", title="MENLO", summary="lang_code, raw_prompt, two responses, and a score a dimension",
    shapes=ANY, needs=("lang_code", "raw_prompt", "response_a", "response_b"), columns=KNOWN, unfold=unfold,
    guess=guess,
)  # fmt: skip
