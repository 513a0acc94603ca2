"""Who said what about which response of an item, and rows that remember it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from annotate.kinds import KINDS
from curate.builders.base import Candidate, Decision, Item, Said
from curate.rows import Row

Messages = list[dict[str, str]]


def plain(messages: Iterable[Mapping[str, str]]) -> Messages:
    """Role and content alone, as the columns have them."""
    return [{"role": one["role"], "content": one["content"]} for one in messages]


def prompt_of(item: Item, candidate: Candidate | None = None) -> Messages:
    """What a response answers: its own prompt where the item's responses have one each."""
    own = candidate.messages if candidate else None
    return plain(own if own is not None else item.messages)


def answers_of(item: Item, *kinds: str) -> list[Said]:
    return [one for one in item.answers if one.kind in kinds]


def options_of(item: Item, said: Said) -> Any:
    """The settings of the step that was answered, as an instance of the kind's `Options`."""
    kind = KINDS[said.kind]
    stored = item.steps[said.step].get("options", {}) if said.step < len(item.steps) else {}
    return kind.options.model_validate(stored)


def signed(strength: int, order: Sequence[int]) -> int:
    """A strength towards the response shown first -> towards position 0."""
    return strength if order[0] == 0 else -strength


def same_text(one: str, other: str) -> bool:
    return one.strip() == other.strip()


def row_of(
    item: Item,
    columns: dict[str, Any],
    *,
    answers: Sequence[Said] = (),
    candidates: Sequence[Candidate] = (),
    models: Sequence[str] | None = None,
    agreement: float | None = None,
    seed: int | None = None,
    notes: Mapping[str, Any] | None = None,
) -> Row:
    """A row that stands on `answers`. `candidates`: those whose texts it holds, in the order of the row's texts.

    models: who wrote the texts, where it is not the candidates alone. seed: what the first candidate was drawn with,
    where the builder drew nothing itself.
    """
    drawn = candidates[0].seed if candidates else 0
    return Row(
        columns=columns,
        prompt_key=item.prompt_key,
        lang=item.lang,
        feedback_ids=tuple(dict.fromkeys(one.feedback_id for one in answers)),
        models=tuple(models if models is not None else (one.model for one in candidates)),
        raters=len({one.annotator_id for one in answers}),
        agreement=agreement,
        simulated=len({one.annotator_id for one in answers if one.simulated}),
        seed=drawn if seed is None else seed,
        notes=notes or {},
    )


def row_of_decision(
    item: Item,
    decision: Decision,
    columns: dict[str, Any],
    *,
    candidates: Sequence[Candidate],
    notes: Mapping[str, Any] | None = None,
) -> Row:
    """A row that stands on what the raters said together."""
    return Row(
        columns=columns,
        prompt_key=item.prompt_key,
        lang=item.lang,
        feedback_ids=tuple(decision.feedback_ids),
        models=tuple(one.model for one in candidates),
        raters=decision.raters,
        agreement=decision.agreement,
        simulated=decision.simulated,
        seed=candidates[0].seed,
        notes=notes or {},
    )


def sides(item: Item, decision: Decision) -> tuple[Candidate, Candidate]:
    """(chosen, rejected) of a decision on two responses."""
    return item.candidates[decision.winner], item.candidates[1 - decision.winner]
