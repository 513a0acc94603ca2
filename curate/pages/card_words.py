"""A dataset's card as its page shows it. Cards of any version of the platform are read: what one lacks is left out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from curate.making.card import Lengths
from curate.pages import preview_charts
from curate.pages.preview_charts import ModelShare
from pages.charts import Chart
from registry.models import Dataset


@dataclass
class Card:
    prompts: int | None = None
    longer: float | None = None
    first: float | None = None
    notices: list[dict[str, str]] = field(default_factory=list)
    funnel: Chart | None = None
    histogram: Chart | None = None
    strengths: list[tuple[str, int]] = field(default_factory=list)
    models: list[ModelShare] = field(default_factory=list)
    languages: list[tuple[str, int]] = field(default_factory=list)
    simulated: int = 0
    answers: int | None = None
    more: list[tuple[str, str]] = field(default_factory=list)
    """Other figures, as words."""


def card_of(dataset: Dataset) -> Card:
    card: Mapping[str, Any] = dataset.card
    balance = card.get("balance")
    if not isinstance(balance, dict):
        balance = card
    found = Card(
        prompts=whole(card.get("prompts")),
        longer=share(balance.get("longer", balance.get("chosen_longer"))),
        first=share(balance.get("first", balance.get("chosen_first"))),
        notices=notices_of(card), simulated=whole(balance.get("simulated_answers", balance.get("simulated"))) or 0,
        answers=whole(balance.get("answers")),
    )  # fmt: skip
    if isinstance(stages := card.get("funnel"), list) and stages:
        found.funnel = preview_charts.funnel_of_card(stages)
    if isinstance(lengths := card.get("lengths"), dict) and any(lengths.get("first") or []):
        known = {name: value for name, value in lengths.items() if name in Lengths.__dataclass_fields__}
        found.histogram = preview_charts.histogram_of(
            Lengths(**{**known, "names": tuple(known.get("names", ()))}), size=(620, 200)
        )
    if isinstance(strengths := balance.get("strengths"), dict):
        found.strengths = preview_charts.strengths_of(strengths)
    if isinstance(models := balance.get("models"), dict):
        found.models = preview_charts.models_of({name: n for name, n in models.items() if len(n) == 2})
    if isinstance(languages := balance.get("languages"), dict):
        found.languages = list(languages.items())
    found.more = more_of(card)
    return found


def notices_of(card: Mapping[str, Any]) -> list[dict[str, str]]:
    warnings = card.get("warnings") or []
    return [one if isinstance(one, dict) else {"level": "warn", "title": "", "text": str(one)} for one in warnings]


def more_of(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Figures of diversity, likely flips and duplicates."""
    found: list[tuple[str, str]] = []
    diversity = card.get("diversity")
    if isinstance(diversity, dict) and is_plain(diversity.get("value")):
        found.append(("prompt diversity", figure(diversity["value"])))
    flips = card.get("likely_flips")
    if isinstance(flips, dict) and is_plain(flips.get("expected")):
        found.append(("rows that may be the wrong way round", f"about {figure(flips['expected'])}"))
    for name, words in (("items", "items"), ("raters", "raters"), ("clusters", "groups of like prompts")):
        if is_plain(card.get(name)):
            found.append((words, figure(card[name])))
    return found


def flips_of(card: Mapping[str, Any], split: str) -> frozenset[int]:
    """Places of the rows of a part that the card lists as likeliest to be the wrong way round."""
    flips = card.get("likely_flips")
    rows = flips.get("rows", []) if isinstance(flips, dict) else []
    return frozenset(
        one["row"] for one in rows if isinstance(one, dict) and one.get("split") == split and is_plain(one.get("row"))
    )


def is_plain(value: Any) -> bool:
    return isinstance(value, (int, float, str)) and not isinstance(value, bool)


def figure(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def whole(value: Any) -> int | None:
    return int(value) if isinstance(value, int) else None


def share(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
