"""build_dataset: freeze feedback into rows for training, with the lineage of every row. The spec is the recipe."""

from datetime import date
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from registry.specs.base import LARGEST_SEED, Spec

RowsOf = Literal[
    "pairs",
    "rankings",
    "joint",
    "unpaired",
    "judge_pointwise",
    "judge_pairwise",
    "critiques",
    "revisions",
    "edits",
    "edited",
    "selections",
    "reward_augmented",
    "rs_dpo",
    "best_of_n",
    "ampo",
    "figa",
    "offset_bias",
    "judge_offset_bias",
]
"""The keys of curate.builders.BUILDERS; a test holds them equal."""


class BuildDatasetSpec(Spec):
    """A recipe: which feedback, how several raters become one, what a row is, what is left out, and the split."""

    usual: ClassVar[tuple[str, ...]] = ("name", "rows", "origins", "aggregate", "minimum_agreement", "ties", "margin",
                                        "held_out_share")  # fmt: skip

    name: str = Field("prefs", pattern=r"^[a-z0-9][a-z0-9-]{0,40}$", description="versions are counted by name")
    rows: RowsOf = Field("pairs", description="what a row is, and which feedback it is made of")
    options: dict[str, Any] = Field(default_factory=dict, description="settings of this kind of rows alone")

    # --- whose feedback, on what
    origins: list[Literal["human", "simulated", "imported"]] = Field(
        ["human", "simulated"], min_length=1, description="whose answers to take"
    )
    kinds: list[Literal["pairwise", "ranking", "rubric", "critique", "edit", "selection", "chat"]] = Field(
        default_factory=list, description="only these kinds of feedback; empty takes all that such rows are made of"
    )
    languages: list[str] = Field(default_factory=list, description="only these languages; empty takes all")
    tags: list[str] = Field(default_factory=list, description="only prompts with one of these tags")
    annotators: list[str] = Field(
        default_factory=list, description="only these people, by their pseudonyms in the project"
    )
    rounds: list[str] = Field(
        default_factory=list, description="only answers about responses of these sample runs, by the runs' names"
    )
    since: date | None = Field(None, description="only answers of this day (UTC) or later")
    until: date | None = Field(None, description="only answers of this day (UTC) or earlier")
    minimum_gold_accuracy: float = Field(
        0.0, ge=0, le=1, description="leave out raters who got fewer of the tasks with a known answer right"
    )
    minimum_raters: int = Field(1, ge=1, le=100, description="answers that a task needs")

    # --- several raters
    aggregate: Literal["majority", "mean", "dawid_skene", "mace", "each"] = Field(
        "majority",
        description="majority and mean strength count every rater alike, Dawid-Skene and MACE weigh raters by how "
        "reliable they are, each makes one row a rater",
    )
    adjudicated_first: bool = Field(True, description="where a task has a verdict, it decides instead of the raters")
    minimum_agreement: float = Field(
        0.5, ge=0.5, le=1, description="share of a task's answers that must be on the winner's side"
    )
    ties: Literal["drop", "half", "keep"] = Field(
        "drop",
        description="half writes a tie in both orders with weight 0.5 each, keep writes it once with margin 0",
    )
    margin: Literal["strength", "disagreement", "none"] = Field(
        "strength",
        description="strength is the mean strength towards the chosen response, 0 to 3; disagreement is 2p-1 for the "
        "share p of raters on its side, 0 to 1",
    )

    # --- what is left out of the rows
    deduplicate: Literal["none", "exact", "near"] = Field(
        "exact", description="of rows with the same texts, or nearly the same prompt and answers, the first is kept"
    )
    near_duplicate: float = Field(
        0.9, ge=0.5, le=1, description="two prompts are near-duplicates from this Jaccard similarity of their words on"
    )
    tokenizer: str = Field("", description="whose tokens lengths are counted in; empty takes the packaged model's",
                           json_schema_extra={"ref": "policy"})  # fmt: skip
    max_prompt_tokens: int | None = Field(None, ge=1, le=10_000_000, description="drop rows with a longer prompt")
    max_tokens: int | None = Field(
        None, ge=1, le=10_000_000, description="drop rows whose prompt and longest answer have more tokens together"
    )

    # --- the split
    split_by: Literal["cluster", "prompt"] = Field(
        "cluster",
        description="cluster keeps near-duplicates of a prompt on one side, prompt only the same prompt",
    )
    held_out_share: float = Field(
        0.3, ge=0, le=0.9, description="share of the prompts kept away from training, whole prompts at a time"
    )
    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="decides which prompts are held out")

    @model_validator(mode="after")
    def days_in_order(self) -> Self:
        if self.since and self.until and self.since > self.until:
            raise ValueError(f"since ({self.since}) is after until ({self.until}), so no answer fits: swap them")
        return self
