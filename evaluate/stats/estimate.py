"""An estimate, how sure it is, and how much is behind it."""

from dataclasses import asdict, dataclass

CONFIDENCE_Z = 1.959963984540054
"""The normal quantile of a two-sided 95% interval."""


@dataclass(frozen=True)
class Estimate:
    """`value` with its 95% interval `low`..`high`, all None where it is undefined; `n` items are behind it.

    `clusters` is how many independent units those items come from (prompts, as a rule), 0 where each is its own.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    clusters: int = 0

    @property
    def defined(self) -> bool:
        return self.value is not None

    def as_dict(self) -> dict[str, float | int | None]:
        """The form that ModelVersion.metrics stores: value, low, high, n, clusters."""
        return asdict(self)

    def excludes(self, reference: float) -> bool:
        """Whether the interval lies on one side of `reference`, so that a difference may be claimed."""
        return self.low is not None and self.high is not None and not self.low <= reference <= self.high


UNDEFINED = Estimate(None, None, None, 0)
