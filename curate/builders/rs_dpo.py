"""rs_dpo: pairs of scored samples whose rewards lie far enough apart.

RS-DPO (Khaki et al. 2024, 2402.10038): k = 16 samples a prompt, and each ordered pair with
sigmoid((r_i - r_j) / tau) > eta becomes a preference pair; eta 0.85, tau 1. At eta 0.85 that is a gap above
1.734601 tau. The paper's DPO has beta 0.1. Ours: a cap of pairs a prompt, the widest gaps first.
"""

import math
from collections.abc import Iterator, Sequence

from pydantic import Field

from curate.builders.base import Builder, Item, Options, Tools
from curate.builders.preference import preference_columns
from curate.builders.said import prompt_of, row_of, same_text
from curate.rows import PREFERENCE, Row
from registry.specs.base import ref


class RsDpoOptions(Options):
    model: str = ref("reward", "whose scores; empty takes the project's newest reward model", default="")
    eta: float = Field(0.85, ge=0.5, lt=1, description="a pair is kept above this sigmoid of its reward gap")
    tau: float = Field(1.0, gt=0, le=1e6, description="temperature: gaps are divided by it, so a larger one keeps less")
    most_pairs: int = Field(16, ge=1, le=10_000, description="pairs a prompt at most, the widest gaps first")


def least_gap(eta: float, tau: float) -> float:
    """The gap of rewards at which sigmoid(gap / tau) is eta."""
    return tau * math.log(eta / (1 - eta))


def pairs_of_scores(scores: Sequence[float], *, eta: float, tau: float) -> list[tuple[int, int]]:
    """(better, worse) for each ordered pair with sigmoid(gap / tau) > eta, the widest gap first."""
    least = least_gap(eta, tau)
    found = [
        (scores[i] - scores[j], i, j)
        for i in range(len(scores))
        for j in range(len(scores))
        if i != j and scores[i] - scores[j] > least
    ]
    return [(i, j) for _, i, j in sorted(found, key=lambda one: (-one[0], one[1], one[2]))]


def rows(item: Item, tools: Tools) -> Iterator[Row]:
    options: RsDpoOptions = tools.options
    scored = [one for one in item.candidates if one.score is not None]
    if len(scored) < 2:
        tools.drop("scored")
        return
    scores = [one.score for one in scored if one.score is not None]
    written = 0
    for better, worse in pairs_of_scores(scores, eta=options.eta, tau=options.tau):
        if written == options.most_pairs:
            break
        if same_text(scored[better].text, scored[worse].text):
            continue
        written += 1
        gap = scores[better] - scores[worse]
        columns = preference_columns(
            prompt_of(item, scored[better]), scored[better], scored[worse],
            margin=0.0 if tools.recipe.margin == "none" else gap, share=1.0,
        )  # fmt: skip
        yield row_of(item, columns, candidates=(scored[better], scored[worse]), notes={"gap": gap})
    if not written:
        tools.drop("gap")


BUILDER = Builder(
    slug="rs_dpo",
    title="Pairs of scored samples",
    summary="Two samples of a prompt whose rewards lie far enough apart, the higher over the lower (RS-DPO).",
    kinds=(),
    row=PREFERENCE,
    rows=rows,
    reads="scores",
    aggregates=("majority",),
    options=RsDpoOptions,
    reasons={"scored": "with two scored responses or more", "gap": "with two rewards far enough apart"},
    paper="Khaki et al. 2024, 2402.10038",
)
