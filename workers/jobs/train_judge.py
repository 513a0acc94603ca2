"""Train a judge: a LoRA adapter on a language model that learns which verdict people gave.

Held-out verdicts are measured one by one, and a comparison in both orders together: the share where their mean is
right, the share where both agree, and how often the first place wins.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from curate import judge_prompts
from evaluate.stats import accuracy_of
from registry.models import Dataset, ModelVersion
from registry.specs import TrainJudgeSpec
from workers import judging, modeling, sources
from workers.context import JobContext
from workers.errors import JobError
from workers.jobs.training import publish_adapter, refuse_large_loss, run_loop, settings_of
from workers.training import Evaluation, VerdictRow, Verdicts

LETTERS = ("A", "B", "C")
LEVELS = ("1", "2", "3", "4", "5")
LEFT_OUT = {
    "too_long": "longer than max_tokens",
    "unread": "without a verdict that can be read",
}


@dataclass(frozen=True)
class Asked:
    """A verdict as tokens, whose prompt it is about, and what it shares with the same question in the other order."""

    row: VerdictRow
    prompt_key: str
    question: str


@dataclass(frozen=True)
class Verdict:
    """What a row says: text before the verdict, the choices, the place of the right one."""

    before: str
    choices: tuple[str, ...]
    label: int

    @property
    def levels(self) -> tuple[int, ...]:
        return tuple(int(one) for one in self.choices) if self.choices == LEVELS else ()


def run(context: JobContext, spec: TrainJudgeSpec) -> None:
    project = context.job.project
    base = sources.named_model(project, spec.base, role="policy")
    dataset = sources.named_dataset(project, spec.dataset)
    folder, _ = sources.weights_of(base)
    tokenizer = modeling.load_tokenizer(folder)
    asked = {split: read(context, dataset, tokenizer, spec, split) for split in ("train", "held_out")}
    if not asked["train"]:
        raise JobError(f"No verdict of {dataset} fits into {spec.max_tokens} tokens. Raise max_tokens.")
    model = sources.policy_to_train(base, spec).to(context.device)
    options = {"prose": spec.prose, "whole": float(spec.objective == "likelihood")}
    rows = {split: [one.row for one in some] for split, some in asked.items()}
    learner = Verdicts(
        model, rows["train"], rows["held_out"], settings=settings_of(spec, objective=spec.objective, options=options),
        pad_id=tokenizer.pad_token_id,
    )  # fmt: skip
    result = run_loop(context, learner)
    reasoned = sum(bool(row.before) for row in rows["train"]) > len(rows["train"]) / 2
    publish_adapter(
        context, spec, role=ModelVersion.Role.JUDGE, base=base, dataset=dataset, model=model, result=result,
        metrics=metrics_of(asked["held_out"], result.evaluation), config={"reasoned": reasoned},
        tokenizer=tokenizer if sources.saved_whole(base, spec) else None,
    )  # fmt: skip


# --- From rows to tokens --------------------------------------------------------------------------------------------


def read(context: JobContext, dataset: Dataset, tokenizer: Any, spec: TrainJudgeSpec, split: str) -> list[Asked]:
    found: list[Asked] = []
    counts: Counter[str] = Counter()
    for row in sources.rows_of(dataset, split):
        if row.get("task") != "verdict":
            raise JobError(
                f"{dataset} holds no verdicts. Build a dataset with the recipe “Judge, two responses” or “Judge, one "
                "response”, and train on that."
            )
        verdict = verdict_of(row["completion"][0]["content"])
        if verdict is None:
            counts["unread"] += 1
            continue
        try:
            before, choices, _ = judging.split_at_verdict(tokenizer, verdict.before, verdict.choices)
        except judging.NoVerdictToken as error:
            raise JobError(str(error)) from error
        one = VerdictRow(
            prompt=tuple(modeling.prompt_ids(tokenizer, row["prompt"])), before=before, choices=choices,
            label=verdict.label, after=(tokenizer.eos_token_id,), weight=row["weight"], levels=verdict.levels,
        )  # fmt: skip
        if one.tokens > spec.max_tokens:
            counts["too_long"] += 1
            continue
        found.append(Asked(one, row["prompt_key"], question_of(row)))
    if split == "train":
        refuse_large_loss(counts, len(found) + counts.total(), spec)
    left_out = "".join(f"; {counts[name]:,} {words}" for name, words in LEFT_OUT.items() if counts[name])
    context.log(f"{split}: {len(found) + counts.total():,} verdicts read, {len(found):,} used{left_out}")
    return found


def verdict_of(completion: str) -> Verdict | None:
    """The verdict that a completion ends with; None where it ends with none. Letters, or digits 1 to 5."""
    choice, score = judge_prompts.read_choice(completion), judge_prompts.read_score(completion)
    said = choice if choice is not None else str(score) if score is not None else ""
    if not said or not completion.endswith(said):
        return None
    choices = LETTERS if choice is not None else LEVELS
    return Verdict(completion.removesuffix(said), choices, choices.index(said))


def question_of(row: Mapping[str, Any]) -> str:
    """The same for a question with its two responses in either order: these are the same characters."""
    content = "".join(sorted(row["prompt"][-1]["content"]))
    answers = ",".join(map(str, sorted(row["feedback_ids"])))
    return hashlib.sha256(f"{row['prompt_key']} {answers} {content}".encode()).hexdigest()


# --- What it learned ------------------------------------------------------------------------------------------------


def metrics_of(asked: list[Asked], evaluation: Evaluation | None) -> dict[str, Any]:
    """{accuracy, both_orders_accuracy, consistency, first_slot: value, low, high, n}, intervals by prompt."""
    if evaluation is None:
        return {}
    keys = [one.prompt_key for one in asked]
    right = evaluation.values["accuracy"]
    found: dict[str, Any] = {
        "loss": {"value": evaluation.loss, "low": None, "high": None, "n": len(asked)},
        "accuracy": share([value - 0.5 for value in right], keys),
        "held_out_pairs": [[key, value - 0.5] for key, value in zip(keys, right, strict=True)],
        "mass": {"value": evaluation.metrics["mass"], "low": None, "high": None, "n": len(asked)},
    }
    if "error" in evaluation.metrics:
        found["level_error"] = {"value": evaluation.metrics["error"], "low": None, "high": None, "n": len(asked)}
    if "lean" in evaluation.values:
        found |= in_both_orders(asked, evaluation.values["lean"])
    return found


def in_both_orders(asked: list[Asked], leans: Iterable[float]) -> dict[str, Any]:
    """Of comparisons that were asked in both orders and have a winner."""
    first: dict[str, tuple[Asked, float]] = {}
    mean, agree, slot, keys = [], [], [], []
    for one, lean in zip(asked, leans, strict=True):
        other = first.pop(one.question, None)
        if other is None:
            first[one.question] = (one, lean)
            continue
        if {one.row.label, other[0].row.label} != {0, 1}:
            continue  # equal answers have no right order
        towards = 1.0 if other[0].row.label == 0 else -1.0
        mean.append(towards * (other[1] - lean))
        agree.append(-other[1] * lean)  # above 0: the two orders name the same response
        slot.append(other[1] + lean)
        keys.append(one.prompt_key)
    if not keys:
        return {}
    return {
        "both_orders_accuracy": share(mean, keys),
        "consistency": share(agree, keys),
        "first_slot": share(slot, keys),
    }


def share(margins: list[float], keys: list[str]) -> dict[str, Any]:
    return accuracy_of(margins, keys).as_dict()
