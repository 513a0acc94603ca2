"""What raters said in a row, as the kinds of feedback store it."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from annotate.kinds.ranking import competition
from annotate.kinds.rubric import strength_of as strength_of_ratings
from annotate.worddiff import cost_of_edit
from exchange.imports import values
from exchange.imports.base import Answer, Row, Said, Vote
from exchange.imports.turns import LineError, check_text

if TYPE_CHECKING:
    from exchange.imports.mapping import Builder

CHOOSER = "chosen"
"""Who preferred the chosen answer, where the file does not say."""


def votes_of(builder: "Builder", row: Row, answers: Sequence[Answer]) -> list[Vote]:
    if not answers:
        return []
    said: dict[str, list[Said]] = {}
    rater = "" if "rater" not in builder.one else values.plain_name(builder.one["rater"](row))
    if builder.mapping.raters == "one":
        rater = builder.mapping.rater_name or builder.mapping.source or "imported"

    def add(name: str, one: Said | None) -> None:
        if one is not None:
            said.setdefault(name or rater, []).append(one)

    for name, becomes, get in builder.by_role.get("winner", ()):
        add(becomes.name, pairwise(values.strength_of(get(row), becomes.values, name), answers, name))
    unnamed = ""
    if "chosen" in builder.one and "winner" not in builder.by_role:
        unnamed = "" if rater else CHOOSER
        add(unnamed, pairwise(values.MEANINGS["a"], answers, builder.names["chosen"]))
    if builder.dimensions:
        add("", rubric(builder, row, answers))
    if "rank" in builder.by_role or "ranking" in builder.by_role:
        add("", ranking(builder, row, answers))
    for name, becomes, get in builder.by_role.get("label", ()):
        good = values.good_of(get(row), becomes.values, name)
        add(becomes.name, None if good is None else Said("selection", {"fits": [0]} if good else {"none": True}))
    if builder.sides["fits"]:
        add("", fits(builder, row, answers))
    add(next((one.name for _, one, _ in builder.by_role.get("critique", ())), ""), critique(builder, row))
    add(next((one.name for _, one, _ in builder.by_role.get("edited", ())), ""), edit(builder, row, answers))
    if said and "comment" in builder.one and (comment := builder.text("comment", row).strip()):
        check_text(comment, builder.names["comment"])
        next(iter(said.values()))[0].comment = comment[:10_000]
    at = builder.text("answered_at", row).strip() if "answered_at" in builder.one else ""
    took = values.seconds_of(builder.one["seconds"](row)) if "seconds" in builder.one else 0.0
    return [Vote(name, found, at, took, repeats=bool(unnamed) and name == unnamed) for name, found in said.items()]


def pairwise(strength: int | str | None, answers: Sequence[Answer], name: str) -> Said | None:
    if strength is None:
        return None
    if len(answers) != 2:
        raise LineError(f"{name} compares two answers, and the line has {len(answers)}.", name)
    if isinstance(strength, str):
        return Said("pairwise", {"both_bad": True})
    return Said("pairwise", {"strength": strength}, strength)


def rubric(builder: "Builder", row: Row, answers: Sequence[Answer]) -> Said | None:
    rated: dict[int, dict[str, int]] = {}
    for name, becomes, get in builder.by_role["rating"]:
        if (level := values.rating_of(get(row), becomes.values, name)) is not None:
            rated.setdefault(becomes.side or 0, {})[key_of(becomes.name)] = level
    if not rated:
        return None
    if max(rated) >= len(answers):
        raise LineError(f"A rating is about answer {max(rated) + 1}, and the line has {len(answers)}.")
    if len(answers) == 1 or ("rubric", "first") in builder.steps:
        of = "all" if len(answers) == 1 else "first"
        return Said("rubric", {"ratings": [rated[0]]}, None, of) if 0 in rated else None
    if len(rated) < len(answers) or len({frozenset(one) for one in rated.values()}) > 1:
        raise LineError("One answer is rated on a dimension on which the other is not. Mend it, or skip the line.")
    ratings = [rated[side] for side in range(len(answers))]
    return Said("rubric", {"ratings": ratings}, strength_of_ratings(ratings) if len(ratings) == 2 else None)


def fits(builder: "Builder", row: Row, answers: Sequence[Answer]) -> Said | None:
    """Which of the answers are good enough, each by a yes or no of its own."""
    good: dict[int, bool] = {}
    for side, (name, get) in builder.sides["fits"].items():
        said = values.good_of(get(row), builder.mapping.columns[name].values, name)
        if said is not None:
            good[side] = said
    if not good:
        return None
    if sorted(good) != list(range(len(answers))):
        raise LineError("It is said of some answers whether they fit, and not of all. Mend it, or skip the line.")
    chosen = [side for side in sorted(good) if good[side]]
    return Said("selection", {"fits": chosen} if chosen else {"none": True})


def ranking(builder: "Builder", row: Row, answers: Sequence[Answer]) -> Said | None:
    places = len(answers)
    if "ranking" in builder.one:
        given, name = builder.one["ranking"](row), builder.names["ranking"]
        if given in (None, "", []):
            return None
        if not isinstance(given, list) or len(given) != places:
            raise LineError(f"{name} is not a list of {places} places, one an answer.", name)
        found = [values.rank_of(one, name, places) for one in given]
    else:
        found = [None] * places
        for side, (name, get) in builder.sides["rank"].items():
            if side < places:
                found[side] = values.rank_of(get(row), name, places)
    if not any(found):
        return None
    ranks = competition(found, places)
    better = [rank if rank is not None else 1_000 for rank in ranks]
    preference = (better[0] < better[1]) - (better[0] > better[1]) if places == 2 else None
    return Said("ranking", {"ranks": ranks}, preference)


def critique(builder: "Builder", row: Row) -> Said | None:
    texts = {
        role: builder.text(role, row).strip() for role in ("critique", "strengths", "refinement") if role in builder.one
    }
    for role, text in texts.items():
        check_text(text, builder.names[role])
    if not any(texts.values()):
        return None
    value = {
        "marks": [], "strengths": texts.get("strengths", ""), "weaknesses": texts.get("critique", ""),
        "refinement": texts.get("refinement", ""),
    }  # fmt: skip
    return Said("critique", value, of="all" if builder.single else "first")


def edit(builder: "Builder", row: Row, answers: Sequence[Answer]) -> Said | None:
    text = builder.text("edited", row) if "edited" in builder.one else ""
    if not text.strip():
        return None
    check_text(text, builder.names["edited"])
    draft = answers[0].text
    accepted = text.strip() == draft.strip()
    value = {
        "text": draft if accepted else text,
        "cost": 0 if accepted else cost_of_edit(draft, text),
        "accepted": accepted,
    }
    return Said("edit", value, of="all" if builder.single else "first")


def key_of(dimension: str) -> str:
    """A dimension's key in a rubric: letters, digits and underscores, a letter first."""
    key = re.sub(r"[^a-z0-9]+", "_", dimension.lower()).strip("_")[:40]
    return key if key[:1].isalpha() else f"d_{key}"[:40]
