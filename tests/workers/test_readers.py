"""Why a row is left out is called by its name."""

from __future__ import annotations

from typing import Any

from tests.workers.tiny import make_tokenizer
from workers import doctor, readers


def row(text: str, weight: float | None) -> dict[str, Any]:
    return {
        "prompt": [{"role": "user", "content": "why"}], "completion": [{"role": "assistant", "content": text}],
        "weight": weight, "task": "answer", "prompt_key": "p",
    }  # fmt: skip


def test_a_text_of_weight_0_is_not_called_empty() -> None:
    """It is left out on purpose, so it is none of the losses that stop a run either."""
    rows = [row("because", None), row("so", 0.5), row("no", 0.0), row("x" * 99, 1.0)]
    found = readers.read_rows(readers.texts(make_tokenizer(), max_tokens=60), rows)
    assert [one.weight for one in found.rows] == [1.0, 0.5]
    assert dict(found.left_out) == {"no_weight": 1, "too_long": 1}
    assert "1 of weight 0, which the recipe lets teach nothing" in found.sentence("train", max_tokens=60)
    assert "no_weight" not in doctor.REASONS
