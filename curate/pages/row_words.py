"""How a row is read by people: its texts and figures, for each type of rows. For frozen rows and for drawn ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from curate.rows import ROW_TYPES, Row, RowType

SIDES = {"chosen": "up", "rejected": "down", "original": "down", "revised": "up"}

ALIKE, KEPT_ALIKE = 80, 24
"""From so many characters a beginning is cut where most rows share it, and so many of it are kept."""


@dataclass(frozen=True)
class Layout:
    """Columns of the table of one type of rows."""

    texts: tuple[tuple[str, str], ...]
    """(column, head). A list of messages shows its last one, a list of texts its first."""
    figures: tuple[tuple[str, str], ...]
    """(key of `figure`, head)"""


LAYOUTS = {
    "preference": Layout(
        (("prompt", "Prompt"), ("chosen", "Chosen"), ("rejected", "Rejected")),
        (("margin", "Margin"), ("agreement", "Agree"), ("raters", "Raters")),
    ),
    "unpaired": Layout((("prompt", "Prompt"), ("completion", "Response")), (("label", "Is"), ("raters", "Raters"))),
    "sft": Layout((("prompt", "Prompt"), ("completion", "Completion")), (("task", "Teaches"), ("weight", "Weight"))),
    "joint": Layout(
        (("prompt_chosen", "Prompt of chosen"), ("chosen", "Chosen"), ("prompt_rejected", "Prompt of rejected"),
         ("rejected", "Rejected")),
        (("margin", "Margin"), ("raters", "Raters")),
    ),
    "group": Layout(
        (("prompt", "Prompt"), ("up", "Pushed up"), ("down", "Pushed down, first")),
        (("responses", "Responses"), ("scores", "Scores")),
    ),
    "edit": Layout(
        (("prompt", "Prompt"), ("original", "Original"), ("revised", "Revised")),
        (("weighted", "Tokens weighted"), ("raters", "Raters")),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """A row of the table."""

    texts: list[str]
    figures: list[str]
    lang: str
    split: str
    feedback_ids: Sequence[int]
    index: int = 0
    """Place in its file, from 0."""


def layout(row_type: RowType) -> Layout:
    return LAYOUTS[row_type.slug]


def drawn(row: Row, row_type: RowType) -> Shown:
    """A row of a preview."""
    values = {
        **row.columns, "agreement": row.agreement, "raters": row.raters, "lang": row.lang, "models": row.models,
    }  # fmt: skip
    return shown(values, row_type, split=row.split, feedback_ids=row.feedback_ids)


def shown(
    values: Mapping[str, Any],
    row_type: RowType,
    *,
    split: str,
    feedback_ids: Sequence[int] | None = None,
    index: int = 0,
) -> Shown:
    found = layout(row_type)
    ids = values.get("feedback_ids") or [] if feedback_ids is None else feedback_ids
    return Shown(
        [text_of(values, column) for column, _ in found.texts], [figure(values, key) for key, _ in found.figures],
        str(values.get("lang") or ""), split, list(ids), index,
    )  # fmt: skip


def told_apart(rows: Sequence[Shown], values: Sequence[Mapping[str, Any]], row_type: RowType) -> list[Shown]:
    """Rows that say the same in a column, as those that ask for a critique do, show what was said before it instead.

    Where most begin alike, as the prompts of a judge do, that beginning is cut: what differs is shown.
    """
    columns = []
    for (name, _), column in zip(layout(row_type).texts, zip(*(row.texts for row in rows), strict=True), strict=False):
        texts = list(column)
        if len(texts) > 1 and len(set(texts)) == 1:
            texts = [said_before(one.get(name)) or text for one, text in zip(values, texts, strict=True)]
        columns.append(cut_alike(texts))
    return [replace(row, texts=list(texts)) for row, texts in zip(rows, zip(*columns, strict=True), strict=True)]


def said_before(value: Any) -> str:
    """The last message but one of a conversation; empty where there is none."""
    return str(value[-2].get("content") or "") if isinstance(value, list) and len(value) > 1 else ""


def cut_alike(texts: list[str]) -> list[str]:
    """Without the beginning that a text shares with most others; its last words stay, to say where one is."""
    found = []
    for text in texts:
        shared = sorted((alike(text, other) for other in texts if other != text), reverse=True)
        most = shared[len(texts) // 2 - 1] if 1 < len(texts) <= 2 * len(shared) else 0
        at = text.rfind(" ", 0, max(most - KEPT_ALIKE, 0)) + 1
        found.append(f"… {text[at:]}" if most > ALIKE else text)
    return found


def alike(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def text_of(values: Mapping[str, Any], column: str) -> str:
    if column in ("up", "down"):
        places = values.get("positive" if column == "up" else "negative") or []
        texts = values.get("responses") or []
        return str(texts[places[0]]) if len(places) and places[0] < len(texts) else ""
    value = values.get(column)
    if isinstance(value, str):
        return value
    return str(value[-1].get("content") or "") if value is not None and len(value) else ""


def figure(values: Mapping[str, Any], key: str) -> str:
    """Words for one figure; empty where there is none."""
    value = values.get(key)
    if key == "label":
        return "good" if value else "bad"
    if key == "task":
        return str(value or "")
    if key == "responses":
        return f"{len(value or [])}"
    if key == "scores":
        return f"{min(value):.2f} to {max(value):.2f}" if value else ""
    if key == "weighted":
        weights = [*(values.get("original_weights") or []), *(values.get("revised_weights") or [])]
        return f"{sum(one != 0 for one in weights):,} of {len(weights):,}"
    if value is None:
        return ""
    if key == "agreement":
        return f"{value:.0%}"
    if key == "margin" and values.get("tie"):
        return "tie"
    return f"{value:.2f}" if isinstance(value, float) else f"{value:,}"


# --- One row in full --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """A text of a row, whole."""

    title: str
    text: str
    side: str = ""
    """up or down: whether a trainer makes it more or less likely; empty for a prompt."""
    about: str = ""


def blocks(values: Mapping[str, Any], row_type: RowType) -> tuple[list[Block], list[Block]]:
    """(what stands before, what is written for it)"""
    models = list(values.get("models") or [])
    before: list[Block] = []
    after: list[Block] = []
    for column, kind in row_type.columns:
        value = values.get(column)
        if not value or str(kind) in ("double", "bool", "float", "int32"):
            continue
        title = column.replace("_", " ").capitalize()
        if column.startswith("prompt"):
            roles = {"user": title, "assistant": "Said before", "system": "System"}
            before += [Block(roles.get(one["role"], one["role"]), one["content"] or "") for one in value]
        elif column == "responses":
            after += list(scored(values, models))
        elif isinstance(value, str) and column != "tokenizer" and column != "task":
            after.append(Block(title, value, SIDES.get(column, "")))
        elif isinstance(value, list) and isinstance(value[0], dict):
            side = SIDES.get(column) or ("down" if values.get("label") is False else "up")
            model = models[len(after)] if len(after) < len(models) else ""
            after.append(Block(title, "\n\n".join(one["content"] or "" for one in value), side, model))
    return before, after


def scored(values: Mapping[str, Any], models: Sequence[str]) -> Sequence[Block]:
    up, down = set(values.get("positive") or []), set(values.get("negative") or [])
    scores = values.get("scores") or []
    found = []
    for place, text in enumerate(values.get("responses") or []):
        about = [f"score {scores[place]:.2f}"] if place < len(scores) else []
        about += [models[place]] if place < len(models) and models[place] else []
        side = "up" if place in up else "down" if place in down else ""
        found.append(Block(f"Response {place + 1}", text, side, ", ".join(about)))
    return found


def facts(values: Mapping[str, Any], row_type: RowType) -> list[tuple[str, str]]:
    """Everything else of a row, in the order of its columns; what is empty is left out."""
    left_out = {*row_type.texts, "responses", "prompt_rejected", "feedback_ids"}
    found = []
    for name in row_type.schema.names:
        value = values.get(name)
        if name in left_out or value in (None, "", []) or (isinstance(value, list) and len(value) > 40):
            continue
        found.append((name.replace("_", " "), words(value)))
    return found


def words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(words(one) if one != "" else "unknown" for one in value)
    return str(value)


def type_of(name: str) -> RowType:
    """By its slug; datasets of the first version had preference pairs and did not say so."""
    return ROW_TYPES.get(name, ROW_TYPES["preference"])
