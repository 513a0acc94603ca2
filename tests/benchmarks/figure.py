"""What a benchmark returns: one number, and where a peer ran beside it, the peer's."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    name: str
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    n: int | None = None
    """How many runs or samples both numbers are the median of."""

    def line(self) -> str:
        """One JSON object; `ratio` is ours over the peer's."""
        fields = asdict(self)
        if self.peer is None or not self.peer_value:
            return json.dumps({key: fields[key] for key in ("name", "value", "unit")})
        ratio = round(self.value / self.peer_value, 4)
        return json.dumps({**{k: v for k, v in fields.items() if k != "n"}, "ratio": ratio, "n": self.n})
