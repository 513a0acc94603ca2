"""build_dataset: freeze feedback into preference pairs, with the lineage of every row."""

from typing import Literal

from pydantic import Field

from registry.specs.base import LARGEST_SEED, Spec


class BuildDatasetSpec(Spec):
    name: str = Field("prefs", pattern=r"^[a-z0-9][a-z0-9-]{0,40}$", description="versions are counted by name")
    origins: list[Literal["human", "simulated"]] = Field(
        ["human", "simulated"], min_length=1, description="whose answers to take"
    )
    languages: list[str] = Field(default_factory=list, description="only these languages; empty takes all")
    aggregate: Literal["majority", "each"] = Field(
        "majority", description="majority makes one row a task, each makes one row an answer"
    )
    minimum_agreement: float = Field(
        0.5, ge=0.5, le=1, description="share of a task's answers that must be on the winner's side"
    )
    ties: Literal["drop", "keep"] = Field("drop", description="keep writes them with margin 0 for reward models")
    held_out_share: float = Field(
        0.3, ge=0, le=0.9, description="share of the prompts kept away from training, whole prompts at a time"
    )
    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="decides which prompts are held out")
