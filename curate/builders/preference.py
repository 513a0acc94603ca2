"""The columns of a preference row, where a builder other than `pairs` makes one."""

from typing import Any

from curate.builders.base import Candidate
from curate.rows import assistant
from registry.specs import BuildDatasetSpec


def margin_of(recipe: BuildDatasetSpec, *, strength: float, share: float) -> float:
    """What the recipe's `margin` asks for. strength: 0 to 3. share: of the raters on the chosen side, 0.5 to 1."""
    if recipe.margin == "none":
        return 0.0
    return strength if recipe.margin == "strength" else max(2 * share - 1, 0.0)


def preference_columns(
    prompt: list[dict[str, str]],
    chosen: Candidate,
    rejected: Candidate,
    *,
    margin: float = 0.0,
    strength: float | None = None,
    share: float = 1.0,
    weight: float = 1.0,
    tie: bool = False,
    chosen_first: float | None = None,
) -> dict[str, Any]:
    """share: of the raters on the chosen side; the rest is the row's disagreement, at most a half."""
    return {
        "prompt": prompt,
        "chosen": assistant(chosen.text),
        "rejected": assistant(rejected.text),
        "margin": margin,
        "strength": strength,
        "disagreement": min(1 - share, 0.5),
        "weight": weight,
        "tie": tie,
        "chosen_score": chosen.score,
        "rejected_score": rejected.score,
        "chosen_finished": chosen.finished,
        "rejected_finished": rejected.finished,
        "chosen_first": chosen_first,
    }
