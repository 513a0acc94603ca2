"""Items, answers and tools for builders, without a database."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pyarrow as pa

from curate.builders.base import Builder, Candidate, Decision, Item, Said, Tools
from curate.rows import PROVENANCE, Row
from registry.specs import BuildDatasetSpec

QUESTION = [{"role": "user", "content": "How long do beans cook?"}]
numbers = count(1)


def candidates(*texts: str, scores: Sequence[float] = (), **values: Any) -> list[Candidate]:
    given = scores or [None] * len(texts)
    return [
        Candidate(response_id=100 + at, text=text, model=f"model-{at}", seed=at, score=score, **values)
        for at, (text, score) in enumerate(zip(texts, given, strict=True))
    ]


def item(*texts: str, answers: Sequence[Said] = (), **values: Any) -> Item:
    found = values.pop("candidates", None) or candidates(*texts)
    return Item(
        **{"task_id": 1, "prompt_key": "p-1", "lang": "en", "messages": QUESTION, "candidates": found,
           "answers": list(answers), **values}
    )  # fmt: skip


def said(kind: str, value: Mapping[str, Any], *, by: int = 1, order: Sequence[int] = (0, 1), **values: Any) -> Said:
    given = {"feedback_id": next(numbers), "step": 0, "preference": None, **values}
    return Said(annotator_id=by, kind=kind, value=value, order=list(order), **given)


def ranked(*ranks: int | None, by: int = 1, order: Sequence[int] | None = None) -> Said:
    """ranks: of the response at each position."""
    shown = list(order or range(len(ranks)))
    return said("ranking", {"ranks": [ranks[position] for position in shown]}, by=by, order=shown)


def rated(*ratings: Mapping[str, int], by: int = 1, order: Sequence[int] | None = None, **values: Any) -> Said:
    """ratings: of the response at each position."""
    shown = list(order or range(len(ratings)))
    return said("rubric", {"ratings": [dict(ratings[position]) for position in shown]}, by=by, order=shown, **values)


def voted(strength: int, *, by: int = 1, order: Sequence[int] = (0, 1), **value: Any) -> Said:
    """strength: canonical, positive for position 0."""
    shown = strength if order[0] == 0 else -strength
    return said("pairwise", {"strength": shown, **value}, by=by, order=order, preference=strength)


def edit(text: str, *, cost: int, accepted: bool = False, of: int = 0, **values: Any) -> Said:
    return said("edit", {"text": text, "cost": cost, "accepted": accepted}, order=[of], **values)


def mark(quote: str, label: str = "factual error", severity: str = "major", comment: str = "") -> dict[str, Any]:
    return {"start": 0, "end": len(quote), "quote": quote, "label": label, "severity": severity, "comment": comment}


def critique(*, of: int = 0, by: int = 1, step: int = 0, **value: Any) -> Said:
    full = {"marks": [], "strengths": "", "weaknesses": "", "refinement": "", **value}
    return said("critique", full, order=[of], by=by, step=step)


def selected(*fits: int, shown: Sequence[int], by: int = 1) -> Said:
    """fits: positions that fit."""
    places = [place for place, position in enumerate(shown) if position in fits]
    return said("selection", {"fits": places} if places else {"none": True}, order=shown, by=by)


def decision(winner: int = 0, *answers: Said, **values: Any) -> Decision:
    given = {
        "winner": winner, "tie": False, "strength": 2.0, "agreement": 1.0, "raters": len(answers) or 1,
        "winner_first": 1.0, "simulated": 0, "feedback_ids": tuple(one.feedback_id for one in answers), **values,
    }  # fmt: skip
    return Decision(**given)


@dataclass
class Built:
    rows: list[Row]
    dropped: Counter[str] = field(default_factory=Counter)

    def column(self, name: str) -> list[Any]:
        return [one.columns[name] for one in self.rows]

    def text(self, name: str) -> list[str]:
        """Of a column of messages, what the last one says."""
        return [messages[-1]["content"] for messages in self.column(name)]


class Again:
    """All rows of some items, built anew each time they are gone through."""

    def __init__(self, builder: Builder, items: Sequence[Item], tools: Tools) -> None:
        self.builder, self.items, self.tools = builder, items, tools

    def __iter__(self) -> Iterator[Row]:
        for one in self.items:
            yield from self.builder.rows(one, self.tools)


def tools_for(builder: Builder, *, options: Mapping[str, Any] | None = None, drop: Any = None, **values: Any) -> Tools:
    recipe = BuildDatasetSpec(rows=builder.slug, options=dict(options or {}), **values.pop("recipe", {}))
    return Tools(
        recipe=recipe, options=builder.options.model_validate(recipe.options), drop=drop or (lambda reason: None),
        tokens=lambda text: [ord(letter) for letter in text], tokenizer_name="letters", **values,
    )  # fmt: skip


def build(builder: Builder, *items: Item, **settings: Any) -> Built:
    """The rows of some items, checked against the builder's row type; reasons have to be known ones."""
    built = Built([])

    def drop(reason: str) -> None:
        assert reason in builder.reasons
        built.dropped[reason] += 1

    tools = tools_for(builder, drop=drop, **settings)
    built.rows = [row for one in items for row in builder.rows(one, tools)]
    if builder.finish:
        silent = tools_for(builder, **settings)
        built.rows = list(builder.finish(Again(builder, items, silent), tools))
    for row in built.rows:
        assert set(row.columns) == {name for name, _ in builder.row.columns}
    as_table(builder, built.rows)
    return built


def as_table(builder: Builder, rows: Sequence[Row]) -> pa.Table:
    """As they are frozen."""
    provenance = [
        {"prompt_key": row.prompt_key, "lang": row.lang, "source": builder.slug, "models": list(row.models),
         "seed": row.seed, "raters": row.raters, "agreement": row.agreement, "simulated": row.simulated,
         "feedback_ids": list(row.feedback_ids)}
        for row in rows
    ]  # fmt: skip
    assert not provenance or list(provenance[0]) == [name for name, _ in PROVENANCE]
    whole = [{**row.columns, **more} for row, more in zip(rows, provenance, strict=True)]
    return pa.Table.from_pylist(whole, schema=builder.row.schema)
