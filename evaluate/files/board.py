"""From the rows of a CSV file to battles, and from ratings to the rows of a leaderboard."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluate.files.table import FileProblem, Table, short
from evaluate.files.text import plain
from evaluate.stats.battles import Battles, battles
from evaluate.stats.style import Coefficient, relative, standardised
from evaluate.stats.win_rate import wilson

POINTS = {"bradley-terry", "elo"}


@dataclass(frozen=True)
class Outcomes:
    """What stands in the column of the winner."""

    left: str
    right: str
    ties: tuple[str, ...]
    skipped: tuple[str, ...] = ()

    def codes(self) -> dict[str, float | None]:
        """Text -> what the left got, None for a row that is left out."""
        texts = [self.left, self.right, *self.ties, *self.skipped]
        if twice := [text for text in texts if texts.count(text) > 1]:
            raise ValueError(f"{twice[0]!r} is given for two outcomes. Each needs a value of its own.")
        return {self.left: 1.0, self.right: 0.0} | dict.fromkeys(self.ties, 0.5) | dict.fromkeys(self.skipped)


def battles_of(
    rows: Table, left: str, right: str, winner: str, outcomes: Outcomes
) -> tuple[NDArray[np.int64], Battles]:
    """The rows that count, and their battles."""
    scores = rows.coded(winner, outcomes.codes())
    kept = np.array([i for i, score in enumerate(scores) if score is not None], dtype=np.int64)
    if not kept.size:
        raise FileProblem(f"{rows.path} has no battle left: every row is one that --skip-value leaves out.")
    lefts, rights = rows.filled(left), rows.filled(right)
    for i in kept:
        if lefts[i] == rights[i]:
            raise FileProblem(
                f"Line {rows.lines[i]} has {short(lefts[i])!r} on both sides. A model cannot be rated by battles with "
                "itself: remove the line."
            )
    return kept, battles([lefts[i] for i in kept], [rights[i] for i in kept], [scores[i] for i in kept])


@dataclass(frozen=True)
class StyleColumns:
    """A feature and the columns that it may be in."""

    name: str
    pair: tuple[str, str] | None = None

    @classmethod
    def named(cls, text: str) -> "StyleColumns":
        name, separator, columns = text.partition("=")
        first, colon, second = columns.partition(":")
        if separator and name and first and colon and second:
            return cls(name, (first, second))
        return cls(text)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        if self.pair:
            return [self.pair]
        return [(f"{self.name}_left", f"{self.name}_right"), (f"left_{self.name}", f"right_{self.name}")]

    @property
    def possible(self) -> list[str]:
        single = [] if self.pair else [self.name]
        return [*single, *(column for pair in self.pairs for column in pair)]


def features_of(rows: Table, kept: NDArray, style: Sequence[StyleColumns]) -> NDArray[np.float64]:
    """(battles, features), z-scores of left against right."""
    columns = []
    for feature in style:
        if both := next((pair for pair in feature.pairs if set(pair) <= set(rows.columns)), None):
            sides = [np.array(rows.numbers(column, least=0))[kept] for column in both]
            values = relative(*sides)
        elif feature.pair is None and feature.name in rows.columns:
            values = np.array(rows.numbers(feature.name))[kept]
        else:
            wanted = ", or ".join(f"{a!r} and {b!r}" for a, b in feature.pairs)
            own = "" if feature.pair else f", or the difference as {feature.name!r}"
            raise FileProblem(
                f"{rows.path} has no columns for the feature {feature.name!r}: it needs {wanted}{own}. "
                f"Its columns are: {short(', '.join(rows.header), 500)}."
            )
        columns.append(standardised(values, feature.name))
    return np.stack(columns, axis=1)


@dataclass(frozen=True)
class Row:
    model: str
    rating: float | None
    low: float | None
    high: float | None
    win_rate: float
    win_rate_low: float
    win_rate_high: float
    battles: int
    score: float | None = None
    score_low: float | None = None
    score_high: float | None = None

    @classmethod
    def all(cls, fought: Battles, columns: Mapping[str, tuple[NDArray, NDArray, NDArray]]) -> list["Row"]:
        """Best first. columns: rating, and maybe score, each (models,) values, lows and highs."""
        rows = []
        for i, name in enumerate(fought.names):
            count, won = int(fought.fought[i]), float(fought.won[i])
            at = {key: [plain(float(part[i])) for part in parts] for key, parts in columns.items()}
            rating, low, high = at["rating"]
            score, score_low, score_high = at.get("score", (None, None, None))
            bounds = wilson(won, count)
            rows.append(cls(name, rating, low, high, won / count, *bounds, count, score, score_low, score_high))
        return sorted(rows, key=lambda row: (-(row.rating if row.rating is not None else -np.inf), row.model))


@dataclass(frozen=True)
class Board:
    method: str
    battles: int
    bootstrap: int
    seed: int
    rows: list[Row]
    coefficients: tuple[Coefficient, ...] = ()

    @property
    def in_points(self) -> bool:
        return self.method in POINTS and self.rows[0].score is None

    def as_dict(self) -> dict[str, Any]:
        models = [asdict(row) for row in self.rows]
        if self.rows[0].score is None:
            models = [{key: value for key, value in row.items() if not key.startswith("score")} for row in models]
        found: dict[str, Any] = {
            "models": models, "method": self.method, "battles": self.battles, "bootstrap": self.bootstrap,
            "seed": self.seed,
        }  # fmt: skip
        return found | ({"style": [asdict(row) for row in self.coefficients]} if self.coefficients else {})
