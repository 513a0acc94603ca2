"""What a benchmark is, and what it reports."""

from collections.abc import Callable
from dataclasses import dataclass

from accounts.models import Project
from evaluate.battles import Voice
from evaluate.stats import Estimate, PositionRow


@dataclass(frozen=True)
class Result:
    """One measure of one voice, with what a fair judge would score."""

    benchmark: str
    measure: str
    """What is counted, as it is read in a row: "chooses the first shown"."""
    voice: Voice
    estimate: Estimate
    fair: float
    towards: tuple[str, str]
    """What is favoured above the fair value, and below it."""
    unit: str = "share"
    """share (0 to 1) or log-odds."""
    left_out: int = 0
    """Items that say nothing here: ties, or texts of one length."""
    raters: tuple[PositionRow, ...] = ()

    @property
    def is_share(self) -> bool:
        return self.unit == "share"

    @property
    def biased(self) -> bool:
        return self.estimate.excludes(self.fair)

    @property
    def verdict(self) -> str:
        """In words, and no more than the interval allows."""
        value = self.estimate.value
        if value is None:
            return "nothing measured yet"
        if not self.biased:
            return "no bias shown"
        favoured = self.towards[0 if value > self.fair else 1]
        if self.is_share:
            points = max(round(abs(value - self.fair) * 100), 1)
            return f"{points} {'point' if points == 1 else 'points'} towards {favoured}"
        return f"pulls towards {favoured}"


Benchmark = Callable[[Project], list[Result]]
"""Reads what is stored for the project; a result a voice and measure."""
