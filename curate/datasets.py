"""Feedback -> preference pairs, by a recipe. Streams: one task's answers are in memory at a time."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from django.db.models import QuerySet

from accounts.models import Project
from annotate.comparisons import comparisons
from annotate.models import Feedback, Prompt, TaskResponse
from registry.specs import BuildDatasetSpec

CHUNK = 2_000


@dataclass(frozen=True)
class Pair:
    """A row of a dataset. `chosen` and `rejected` are equal in rank where `margin` is 0 (a kept tie)."""

    task_id: int
    prompt_key: str
    lang: str
    prompt: list[dict[str, str]]
    chosen: str
    rejected: str
    chosen_finished: bool
    rejected_finished: bool
    margin: float
    """Mean strength of all answers towards the chosen response, 0 to 3."""
    agreement: float
    """Share of the answers that are on the chosen side."""
    raters: int
    chosen_first: float
    """Share of the raters who saw the chosen response first."""
    tie: bool
    """No side had more raters; the recipe kept it, and which response is called chosen means nothing."""
    simulated: int
    """How many of the answers are simulated annotators'."""
    split: str
    feedback_ids: tuple[int, ...]

    def content(self) -> list[Any]:
        """What the hash covers: everything a trainer sees, and no number that only this database knows."""
        return [
            self.prompt_key, self.prompt, self.chosen, self.rejected, self.chosen_finished, self.rejected_finished,
            self.margin,
            self.tie, self.agreement, self.raters, self.split,
        ]  # fmt: skip

    def row(self) -> dict[str, Any]:
        """The Parquet row: conversational preference format, then where it came from."""
        return {
            "prompt": self.prompt,
            "chosen": [{"role": "assistant", "content": self.chosen}],
            "rejected": [{"role": "assistant", "content": self.rejected}],
            "margin": self.margin,
            "tie": self.tie,
            "chosen_finished": self.chosen_finished,
            "rejected_finished": self.rejected_finished,
            "agreement": self.agreement,
            "raters": self.raters,
            "simulated": self.simulated,
            "prompt_key": self.prompt_key,
            "lang": self.lang,
            "feedback_ids": list(self.feedback_ids),
        }


@dataclass
class Funnel:
    """How many were there after each step; filled while the pairs are read."""

    answers: int = 0
    tasks: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    pairs: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        return {
            "answers": self.answers,
            "tasks": self.tasks,
            "dropped": dict(self.dropped),
            "pairs": dict(self.pairs),
        }


DROP_REASONS = {
    "same_text": "with two different texts",
    "both_bad": "not both bad to most raters",
    "tie": "with a preferred side",
    "agreement": "with enough raters on it",
}
"""Why a task gives no pair, and what the tasks that stay have in common; in the order of the checks."""


def source(project: Project, recipe: BuildDatasetSpec) -> QuerySet[Feedback]:
    """The answers that the recipe takes, in an order that does not depend on when they came."""
    feedback = comparisons(project).filter(origin__in=recipe.origins)
    if recipe.languages:
        feedback = feedback.filter(task__prompt__lang__in=recipe.languages)
    return feedback.select_related("task__prompt").order_by("task__prompt__key", "task_id", "pk")


def pairs(project: Project, recipe: BuildDatasetSpec, funnel: Funnel) -> Iterator[Pair]:
    """Rows of the dataset in their final order. Server-side cursor; `funnel` counts what was left out and why."""
    for batch in batched_by_task(source(project, recipe).iterator(chunk_size=CHUNK)):
        texts = responses_of({task_id for task_id, _ in batch})
        for task_id, answers in batch:
            funnel.tasks += 1
            funnel.answers += len(answers)
            yield from pairs_of_task(answers, texts[task_id], recipe, funnel)


def batched_by_task(feedback: Iterable[Feedback], *, size: int = 500) -> Iterator[list[tuple[int, list[Feedback]]]]:
    batch: list[tuple[int, list[Feedback]]] = []
    for task_id, answers in groupby(feedback, key=lambda answer: answer.task_id):
        batch.append((task_id, list(answers)))
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def responses_of(task_ids: set[int]) -> dict[int, list[TaskResponse]]:
    found: dict[int, list[TaskResponse]] = {task_id: [] for task_id in task_ids}
    rows = TaskResponse.objects.filter(task_id__in=task_ids).select_related("response").order_by("position")
    for row in rows:
        found[row.task_id].append(row)
    return found


def pairs_of_task(
    answers: Sequence[Feedback], responses: Sequence[TaskResponse], recipe: BuildDatasetSpec, funnel: Funnel
) -> Iterator[Pair]:
    groups = [answers] if recipe.aggregate == "majority" else [[answer] for answer in answers]
    for group in groups:
        pair, dropped = aggregate(group, responses, recipe)
        if pair is None:
            funnel.dropped[dropped] += 1
        else:
            funnel.pairs[pair.split] += 1
            yield pair


def aggregate(
    answers: Sequence[Feedback], responses: Sequence[TaskResponse], recipe: BuildDatasetSpec
) -> tuple[Pair | None, str]:
    """One row from the answers to one task, or the reason why there is none (a key of DROP_REASONS)."""
    first, second = (row.response for row in responses)
    if first.text.strip() == second.text.strip():
        return None, "same_text"
    if sum(answer.both_bad for answer in answers) * 2 > len(answers):
        return None, "both_bad"
    strengths = [answer.preference or 0 for answer in answers]
    wins, losses = sum(s > 0 for s in strengths), sum(s < 0 for s in strengths)
    if wins == losses and recipe.ties == "drop":
        return None, "tie"
    winner = 0 if wins >= losses else 1
    share = max(wins, losses) / len(answers)
    if wins != losses and share < recipe.minimum_agreement:
        return None, "agreement"
    chosen, rejected = (first, second) if winner == 0 else (second, first)
    towards = sum(strengths) / len(strengths) * (1 if winner == 0 else -1)
    prompt = answers[0].task.prompt
    return (
        Pair(
            task_id=answers[0].task_id,
            prompt_key=prompt.key,
            lang=prompt.lang,
            prompt=[{"role": m["role"], "content": m["content"]} for m in prompt.messages],
            chosen=chosen.text,
            rejected=rejected.text,
            chosen_finished=chosen.finish_reason == "stop",
            rejected_finished=rejected.finish_reason == "stop",
            margin=0.0 if wins == losses else max(towards, 0.0),
            agreement=share,
            raters=len(answers),
            chosen_first=sum(answer.order[0] == winner for answer in answers) / len(answers),
            tie=wins == losses,
            simulated=sum(answer.origin == Feedback.Origin.SIMULATED for answer in answers),
            split=split_of(split_key(prompt), seed=recipe.seed, held_out_share=recipe.held_out_share),
            feedback_ids=tuple(answer.pk for answer in answers),
        ),
        "",
    )


def split_key(prompt: Prompt) -> str:
    """What is kept on one side of the split: a prompt, or a whole chat, whose later turns repeat the earlier ones."""
    return prompt.key.partition("/")[0] if prompt.origin == Prompt.Origin.CHAT else prompt.key


def split_of(prompt_key: str, *, seed: int, held_out_share: float) -> str:
    """train or held_out, from the prompt's key alone: adding prompts later moves no prompt across the line."""
    digest = hashlib.sha256(f"{seed}:{prompt_key}".encode()).digest()
    return "held_out" if int.from_bytes(digest[:8]) / 2**64 < held_out_share else "train"


class ContentHash:
    """SHA-256 over the rows in order; the same recipe on the same feedback gives the same hash anywhere."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def add(self, pair: Pair) -> None:
        line = json.dumps(pair.content(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        self.digest.update(line.encode() + b"\n")

    def hexdigest(self) -> str:
        return self.digest.hexdigest()


@dataclass
class Balance:
    """What a person should know before training on the rows."""

    rows: int = 0
    chosen_longer: float = 0.0
    chosen_first: float = 0.0
    prompts: set[str] = field(default_factory=set)
    languages: Counter[str] = field(default_factory=Counter)
    strengths: Counter[int] = field(default_factory=Counter)
    answers: int = 0
    simulated: int = 0

    def add(self, pair: Pair) -> None:
        self.rows += 1
        longer = len(pair.chosen) - len(pair.rejected)
        self.chosen_longer += 1.0 if longer > 0 else 0.5 if longer == 0 else 0.0
        self.chosen_first += pair.chosen_first
        self.prompts.add(pair.prompt_key)
        self.languages[pair.lang] += 1
        self.strengths[round(pair.margin)] += 1
        self.answers += pair.raters
        self.simulated += pair.simulated

    def as_dict(self) -> dict[str, Any]:
        n = max(self.rows, 1)
        return {
            "rows": self.rows,
            "prompts": len(self.prompts),
            "chosen_longer": self.chosen_longer / n,
            "chosen_first": self.chosen_first / n,
            "languages": dict(self.languages.most_common()),
            "simulated_answers": self.simulated,
            "strengths": {str(key): self.strengths[key] for key in sorted(self.strengths)},
        }

    def warnings(self) -> list[str]:
        """Sentences for what may teach a model the wrong thing."""
        found = []
        if self.simulated:
            found.append(f"{self.simulated:,} of the {self.answers:,} answers are simulated annotators'.")
        if self.rows and abs(self.chosen_longer / self.rows - 0.5) > 0.2:
            side = "longer" if self.chosen_longer / self.rows > 0.5 else "shorter"
            share = max(self.chosen_longer / self.rows, 1 - self.chosen_longer / self.rows)
            found.append(
                f"The chosen response is the {side} one in {share:.0%} of the pairs: length alone may be learnt."
            )
        if self.rows and abs(self.chosen_first / self.rows - 0.5) > 0.1:
            found.append(f"The chosen response was shown first in {self.chosen_first / self.rows:.0%} of the answers.")
        if self.rows < 100:
            found.append(f"{self.rows} pairs are few. Figures on the held-out part will have wide intervals.")
        return found


@dataclass(frozen=True)
class Preview:
    funnel: Funnel
    balance: Balance
    sample: list[Pair]


def preview(project: Project, recipe: BuildDatasetSpec, *, rows: int = 10) -> Preview:
    """What freezing would give: all counts, and the first rows."""
    funnel, balance = Funnel(), Balance()
    sample: list[Pair] = []
    for pair in pairs(project, recipe, funnel):
        balance.add(pair)
        if len(sample) < rows:
            sample.append(pair)
    return Preview(funnel, balance, sample)
