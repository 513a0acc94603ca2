"""Examine the data of a training before it runs, and say what the run will cost."""

import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry.models import Dataset, Job, Metric, ModelVersion
from registry.specs import SPECS, DoctorSpec, SpecError, TrainingSpec, parse
from workers import doctor, modeling, sources
from workers.context import JobContext
from workers.errors import JobError

FILE = "examination.json"
EARLIER = 3
"""So many earlier runs say how fast this base trains."""
FLOAT32, HALF = 4, 2


def run(context: JobContext, spec: DoctorSpec) -> None:
    training = training_of(spec)
    project = context.job.project
    base = sources.named_model(project, training.base, role="policy")
    dataset = sources.named_dataset(project, training.dataset)
    folder, _ = sources.weights_of(base)
    tokenizer = modeling.load_tokenizer(folder)
    splits: dict[str, doctor.Split] = {}
    for name in ("train", "held_out"):
        context.progress(len(splits), 2, f"Reading {name.replace('_', '-')} rows")
        splits[name] = doctor.examine_split(
            tokenizer, watched(context, dataset, name), max_tokens=training.max_tokens
        )  # fmt: skip
    found = doctor.report(tokenizer, splits, max_tokens=training.max_tokens)
    found["cost"] = cost_of(context, spec.kind, training, base, folder, splits)
    found["dataset"], found["base"], found["kind"] = str(dataset), base.name, spec.kind
    path = context.workdir / FILE
    path.write_text(json.dumps(found, ensure_ascii=False))
    levels = [level for level, _ in found["findings"]]
    with context.publish() as shown:
        shown.update(used=splits["train"].used, rows=splits["train"].rows, bad=levels.count("bad"),
                     warnings=levels.count("warn"))  # fmt: skip


def training_of(spec: DoctorSpec) -> TrainingSpec:
    kind = SPECS.get(spec.kind)
    if kind is None or not issubclass(kind.spec, TrainingSpec):
        raise JobError(f"{spec.kind} is no kind of training. The doctor looks at the data of trainings.")
    try:
        return parse(kind.spec, spec.params)  # type: ignore[return-value]
    except SpecError as error:
        raise JobError(str(error)) from error


def watched(context: JobContext, dataset: Dataset, split: str) -> Any:
    for number, row in enumerate(sources.rows_of(dataset, split)):
        if number % 200 == 0:
            context.check_stop()
        yield row


def cost_of(
    context: JobContext, kind: str, spec: TrainingSpec, base: ModelVersion, folder: Path,
    splits: Mapping[str, doctor.Split],
) -> dict[str, Any]:  # fmt: skip
    """{tokens, steps, seconds or None, speed_from, memory_mb, memory_words}. Time is by earlier runs, else unknown."""
    train = splits["train"]
    steps = spec.steps(train.used)
    tokens = round(train.tokens * spec.epochs)
    speed, basis = speed_of(context, kind, base)
    weights = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    config = json.loads((folder / "config.json").read_text())
    longest = max([p + c for p, c in zip(train.prompt_lengths, train.first_lengths, strict=True)], default=0)
    layers, width = int(config.get("num_hidden_layers", 0)), int(config.get("hidden_size", 0))
    rows = 2 * min(spec.micro_batch, max(train.used, 1))
    # Some 16 numbers of the model's width a token and layer are kept for the way back, and the logits of the texts.
    kept = rows * longest * (16 * layers * width + int(config.get("vocab_size", 0))) * FLOAT32
    return {
        "tokens": tokens, "steps": steps, "seconds": round(tokens / speed) if speed else None, "speed": speed,
        "speed_from": basis, "memory_mb": round((weights + kept) / 2**20), "weights_mb": round(weights / 2**20),
        "longest": longest,
    }  # fmt: skip


def speed_of(context: JobContext, kind: str, base: ModelVersion) -> tuple[float | None, str]:
    """(tokens a second, whose), the median of the newest runs of this kind on this base."""
    earlier = Job.objects.filter(
        project=context.job.project, kind=kind, status=Job.Status.SUCCEEDED, params__base=base.name
    ).order_by("-pk")[:EARLIER]
    names = [job.name for job in earlier]
    found = Metric.objects.filter(job__in=[job.pk for job in earlier], name="tokens_per_s").values_list(
        "value", flat=True
    )
    values = list(found)
    return (round(statistics.median(values), 1), ", ".join(names)) if values else (None, "")
