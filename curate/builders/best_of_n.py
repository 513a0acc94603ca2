"""best_of_n: of the samples of a prompt the one with the highest reward, to fine-tune on.

Best-of-n with fine-tuning: RAFT (Dong et al. 2023, 2304.06767) learns from the best of n samples, in rounds; the best
of n was a baseline of WebGPT (Nakano et al. 2021, 2112.09332). The row keeps which model wrote the answer and its seed.
"""

from collections.abc import Iterator

from pydantic import Field

from curate.builders.base import Builder, Item, Options, Tools
from curate.builders.said import prompt_of, row_of, same_text
from curate.rows import SFT, Row, assistant
from registry.specs.base import ref


class BestOfNOptions(Options):
    model: str = ref("reward", "whose scores; empty takes the project's newest reward model", default="")
    least_samples: int = Field(2, ge=1, le=1000, description="scored responses that a prompt needs")
    finished: bool = Field(True, description="leave out responses that were cut off at a limit")


def rows(item: Item, tools: Tools) -> Iterator[Row]:
    """None where the highest reward is that of several texts: a draw would be no choice."""
    options: BestOfNOptions = tools.options
    scored = [one for one in item.candidates if one.score is not None and (one.finished or not options.finished)]
    if len(scored) < options.least_samples:
        tools.drop("scored")
        return
    scores = [one.score for one in scored if one.score is not None]
    highest = max(scores)
    best = [one for one in scored if one.score == highest]
    if not all(same_text(one.text, best[0].text) for one in best):
        tools.drop("one_best")
        return
    columns = {
        "prompt": prompt_of(item, best[0]), "completion": assistant(best[0].text), "weight": 1.0, "task": "answer",
    }  # fmt: skip
    notes = {
        "reward": highest, "reward_gain": highest - sum(scores) / len(scores), "samples": len(scored),
        "unscored": sum(one.score is None for one in item.candidates),
    }  # fmt: skip
    yield row_of(item, columns, candidates=(best[0],), notes=notes)


BUILDER = Builder(
    slug="best_of_n",
    title="Best of the samples",
    summary="Of the scored samples of a prompt the one with the highest reward, for fine-tuning (best-of-n).",
    kinds=(),
    row=SFT,
    rows=rows,
    reads="scores",
    aggregates=("majority",),
    options=BestOfNOptions,
    reasons={"scored": "with enough scored responses", "one_best": "with one response that scores highest"},
    paper="RAFT, Dong et al. 2023, 2304.06767",
)
