"""An ensemble's opinion of pairs: written down after its training, and taken up by the training of another model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from accounts.models import Project
from curate import strengths
from curate.strengths import Strength
from evaluate.stats import accuracy_of
from registry.models import Dataset
from registry.specs import TrainDpoSpec, TrainRewardSpec
from workers import heads, modeling, readers, sources
from workers.context import JobContext
from workers.errors import JobError
from workers.jobs.training import plain
from workers.objectives.bradley_terry import bradley_terry_loss
from workers.objectives.strength import disagreement_margin, label_plan, preference_strength
from workers.pairs import TokenPair

CHUNK = 256


# --- Written ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """A pair, what it is to the dataset, and what each member gives its two responses, (members,) each."""

    pair: TokenPair
    known: Strength
    chosen: tuple[float, ...]
    rejected: tuple[float, ...]


def measure(
    context: JobContext, model: Any, dataset: Dataset, reader: readers.Reader, *, pad_id: int
) -> list[Measured]:
    """Every pair of the dataset that `reader` can read, by every member of the ensemble."""
    found: list[Measured] = []
    total = sum(dataset.rows.values())
    for split in ("train", "held_out"):
        rows = [(at, row, reader.read(row)) for at, row in enumerate(sources.rows_of(dataset, split))]
        usable = [(at, row, pair) for at, row, pair in rows if isinstance(pair, TokenPair)]
        for start in range(0, len(usable), CHUNK):
            context.check_stop()
            found += judged(model, usable[start : start + CHUNK], split, pad_id=pad_id)
            context.progress(len(found), total, f"What the ensemble thinks of {len(found):,} of {total:,} pairs")
    return found


def judged(model: Any, some: list[tuple[int, dict[str, Any], TokenPair]], split: str, *, pad_id: int) -> list[Measured]:
    sides = [pair.prompt + pair.chosen for *_, pair in some] + [pair.prompt + pair.rejected for *_, pair in some]
    scores = heads.by_member(model, sides, partial(modeling.last_token_scores, model, pad_id=pad_id), batch_size=16)
    if not scores.isfinite().all():
        raise JobError("A member gives scores that are no numbers: its training diverged. Lower the learning rate.")
    chosen, rejected = scores.double().chunk(2, dim=1)
    mean, deviation = preference_strength(chosen, rejected)
    return [
        Measured(
            pair,
            Strength(
                strengths.key_of(row), split, at, row["prompt_key"], float(mean[n]), float(deviation[n]),
                tuple((chosen - rejected)[:, n].tolist()),
            ),
            tuple(chosen[:, n].tolist()), tuple(rejected[:, n].tolist()),
        )
        for n, (at, row, pair) in enumerate(some)
    ]  # fmt: skip


def held_out_metrics(found: list[Measured], options: Mapping[str, float]) -> dict[str, Any]:
    """{loss, accuracy, deviation, accuracy_member_1, ...} of the mean reward, and of each member, by prompt."""
    held_out = [one for one in found if one.known.split == "held_out"]
    decided = [one for one in held_out if not one.pair.tie]
    if not held_out:
        return {}
    chosen, rejected = (
        torch.tensor([one.chosen for one in held_out]),
        torch.tensor([one.rejected for one in held_out]),
    )
    losses = bradley_terry_loss(
        chosen.mean(1), rejected.mean(1), tie=torch.tensor([one.pair.tie for one in held_out]),
        margin=torch.tensor([one.pair.margin for one in held_out]), **options,
    )  # fmt: skip
    weights = torch.tensor([one.pair.weight for one in held_out])
    metrics = {
        "loss": plain(float((losses * weights).sum() / weights.sum()), len(held_out)),
        "deviation": plain(sum(one.known.deviation for one in held_out) / len(held_out), len(held_out)),
    }
    if not decided:
        return metrics
    prompts = [one.known.prompt_key for one in decided]
    metrics["accuracy"] = accuracy_of([one.known.strength for one in decided], prompts).as_dict()
    for number in range(len(decided[0].chosen)):
        differences = [one.known.differences[number] for one in decided]
        metrics[f"accuracy_member_{number + 1}"] = accuracy_of(differences, prompts).as_dict()
    pairs: Any = [[one.known.prompt_key, one.known.strength] for one in decided]
    return {**metrics, "held_out_pairs": pairs}


def keep(path: Path, found: list[Measured]) -> dict[str, Any]:
    """Beside the dataset; what it returns belongs into the model's config."""
    return {strengths.CONFIG: strengths.write(path, [one.known for one in found])}


# --- Taken up ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Opinion:
    """On one pair: what a training is to make of its label."""

    flip: bool
    soft: float
    strength: float


def opinions(project: Project, spec: TrainRewardSpec | TrainDpoSpec) -> dict[str, Opinion]:
    """By the key of a pair; empty where the spec names no ensemble.

    The softened labels are taken to be wrong with the probability that the ensemble's mean gives under Bradley-Terry.
    """
    if not spec.strength_model:
        return {}
    model = sources.named_model(project, spec.strength_model, role="reward")
    try:
        known = [one for one in strengths.read(model) if one.split == "train"]
    except strengths.StrengthsMissing as error:
        raise JobError(str(error)) from error
    strength = torch.tensor([one.strength for one in known])
    flip, soft = label_plan(strength, flip_share=spec.flip_share, soft_share=spec.soft_share)
    wrong = torch.sigmoid(-strength.clamp(min=0)) * soft
    return {
        one.key: Opinion(bool(flip[at]), float(wrong[at]), one.strength) for at, one in enumerate(known)
    }  # fmt: skip


def reader_of(context: JobContext, tokenizer: Any, spec: TrainRewardSpec, *, max_tokens: int) -> readers.Reader:
    """Pairs with the margin that the spec asks for, and with what an ensemble says of their labels."""
    base = readers.pairs(tokenizer, max_tokens=max_tokens, ties=True, margins=spec.use_margin)
    said = opinions(context.job.project, spec)

    def read(row: Mapping[str, Any]) -> Any:
        pair = base.read(row)
        if not isinstance(pair, TokenPair):
            return pair
        opinion = said.get(strengths.key_of(row)) if said else None
        if spec.use_margin and spec.margin_from == "disagreement":
            pair = replace(pair, margin=0.0 if pair.tie else votes_margin(row))
        elif spec.use_margin and spec.margin_from == "ensemble":
            pair = replace(pair, margin=max(opinion.strength, 0.0) if opinion and not pair.tie else 0.0)
        return pair if opinion is None or pair.tie else replace(pair, flip=opinion.flip, soft=opinion.soft)

    return replace(base, read=read)


def labels_by(base: readers.Reader, said: Mapping[str, Opinion]) -> readers.Reader:
    """Pairs as `base` reads them, flipped and softened as the opinions say."""

    def read(row: Mapping[str, Any]) -> Any:
        pair = base.read(row)
        opinion = said.get(strengths.key_of(row)) if isinstance(pair, TokenPair) and not pair.tie else None
        return pair if opinion is None else replace(pair, flip=opinion.flip, soft=opinion.soft)

    return replace(base, read=read)


def votes_margin(row: Mapping[str, Any]) -> float:
    """Log-odds of the votes for the chosen side, with one more on each (Laplace): a single rater is not certain."""
    raters, share = row["raters"] or 0, row["disagreement"]
    if share is None or not raters:
        return 0.0
    kept = (raters * (1 - share) + 1) / (raters + 2)
    margin = float(disagreement_margin(torch.tensor([kept], dtype=torch.float64)))
    return margin if math.isfinite(margin) else 0.0


def say_labels(context: JobContext, pairs: list[TokenPair], spec: TrainRewardSpec | TrainDpoSpec) -> None:
    if spec.strength_model:
        counts = Counter("flipped" if pair.flip else "softened" if pair.soft else "as they are" for pair in pairs)
        words = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
        context.log(f"Labels by {spec.strength_model}: {words}")
