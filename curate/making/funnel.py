"""From answers to rows, step by step: how many stay, how many go, and why. The same for a preview and a freeze."""

from dataclasses import dataclass, field
from typing import Any, Literal

Unit = Literal["answers", "items", "rows"]


@dataclass(frozen=True)
class Stage:
    """What is left after one step of the recipe."""

    key: str
    """Stable name of the step: a filter of the source, a builder's reason, "duplicates", "too_long", "rows"."""
    label: str
    """What those that stay have in common: "with enough raters on it"."""
    count: int
    unit: Unit
    left_out: int = 0
    """How many of the same unit this step took away; 0 where the step only changes what is counted."""
    why: str = ""
    """What the step did, where it took something away or the unit changed."""


@dataclass
class Funnel:
    stages: list[Stage] = field(default_factory=list)
    about: bool = False
    """Whether the counts from the items on are drawn from a part and scaled up, and not exact."""

    def start(self, key: str, label: str, count: int, *, unit: Unit = "answers") -> None:
        self.stages.append(Stage(key, label, count, unit))

    def keep(self, key: str, label: str, count: int, *, why: str = "", always: bool = False) -> None:
        """`count` are left. A step that takes nothing away is not shown, unless `always`."""
        before = self.stages[-1]
        if count != before.count or always:
            self.stages.append(Stage(key, label, count, before.unit, before.count - count, why))

    def turn(self, key: str, label: str, count: int, *, unit: Unit, why: str = "") -> None:
        """From here on something else is counted: items instead of answers, rows instead of items."""
        self.stages.append(Stage(key, label, count, unit, 0, why))

    def count(self, key: str) -> int | None:
        """What was left after the step of that name; None where it took nothing away or is not there."""
        return next((stage.count for stage in self.stages if stage.key == key), None)

    @property
    def left_out(self) -> dict[str, int]:
        return {stage.key: stage.left_out for stage in self.stages if stage.left_out}

    def as_list(self) -> list[dict[str, Any]]:
        """For a dataset's card."""
        return [
            {"key": one.key, "label": one.label, "count": one.count, "unit": one.unit, "left_out": one.left_out,
             "why": one.why}
            for one in self.stages
        ]  # fmt: skip

    def sentence(self) -> str:
        """Where everything went, for an error: "40 answers, 3 of them ...; 20 items, ..."."""
        return "; ".join(
            f"{one.count:,} {one.unit} {one.label}" + (f" ({one.left_out:,} left out)" if one.left_out else "")
            for one in self.stages
        )


class Sums(Funnel):
    """The steps of one part after another, added up by their keys. Every part takes the same steps."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: dict[str, dict[str, Any]] = {}

    def start(self, key: str, label: str, count: int, *, unit: Unit = "answers") -> None:
        self.more("start", key, count, label=label, unit=unit)

    def keep(self, key: str, label: str, count: int, *, why: str = "", always: bool = False) -> None:
        self.more("keep", key, count, label=label, why=why, always=always)

    def turn(self, key: str, label: str, count: int, *, unit: Unit, why: str = "") -> None:
        self.more("turn", key, count, label=label, unit=unit, why=why)

    def more(self, how: str, key: str, count: int, **words: Any) -> None:
        step = self.steps.setdefault(key, {"how": how, "count": 0, "words": words})
        step["count"] += int(count)

    def into(self, funnel: Funnel) -> None:
        """The same steps with the sums."""
        for key, step in self.steps.items():
            getattr(funnel, step["how"])(key, count=step["count"], **step["words"])
