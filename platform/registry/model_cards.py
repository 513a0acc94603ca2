"""The card of a model: Markdown with YAML at its head, as model hubs read it (Mitchell et al. 2019, 1810.03993).

It is written anew from what is recorded until somebody edits it; from then on versions are kept, and none is changed.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import yaml
from django.db import transaction

from accounts.models import User, record_audit
from registry.models import ModelCard, ModelVersion
from registry.specs import SpecError
from registry.specs.base import read_yaml

LONGEST = 50_000
"""Characters of a card."""
SHOWN_SETTINGS = ("objective", "beta", "label_smoothing", "learning_rate", "batch_size", "epochs", "lora_rank",
                  "last_layers", "max_tokens", "seed", "precision", "dtype")  # fmt: skip


class CardError(ValueError):
    """The card cannot be kept as it is; the message says why."""


def text_of(model: ModelVersion) -> str:
    """The newest version that people wrote, else one made of what is recorded."""
    newest = ModelCard.objects.filter(model=model).first()
    return newest.text if newest else written(model)


def parted(text: str) -> tuple[str, str]:
    """(YAML of the head, Markdown below it)."""
    if text.startswith("---\n") and "\n---\n" in text[3:]:
        head, _, body = text[4:].partition("\n---\n") if not text.startswith("---\n---\n") else ("", "", text[8:])
        return head, body.lstrip("\n")
    return "", text


@transaction.atomic
def save(model: ModelVersion, *, text: str, author: User, seen: int) -> ModelCard:
    """Keep the next version. `seen` is the number that was edited, 0 for the automatic card. Raises CardError."""
    text = text.replace("\r\n", "\n").replace("\x00", "").strip() + "\n"
    check(text)
    ModelVersion.objects.select_for_update(no_key=True).get(pk=model.pk)
    newest = ModelCard.objects.filter(model=model).first()
    if newest and newest.text == text:
        return newest
    if (newest.number if newest else 0) != seen:
        who = f"{newest.author.display_name} has" if newest and newest.author else "Somebody has"
        raise CardError(f"{who} saved another version meanwhile. Copy your text, reload, and put it in again.")
    card = ModelCard.objects.create(model=model, number=seen + 1, text=text, author=author)
    record_audit(actor=author, action="model.card_edited", project=model.project, target=model.name, number=card.number)
    return card


def check(text: str) -> None:
    if len(text) > LONGEST:
        raise CardError(f"The card has {len(text):,} characters, and {LONGEST:,} are kept. Shorten it.")
    head, body = parted(text)
    if not body.strip():
        raise CardError("The card says nothing below its head. Write what the model is for.")
    try:
        if head and not isinstance(read_yaml(head, name="the head"), dict):
            raise CardError("The head is not a list of settings. Write one `name: value` a line between the two ---.")
    except SpecError as error:
        raise CardError(str(error)) from error


def lineage(model: ModelVersion) -> list[ModelVersion]:
    """The model's ancestors, oldest first, then itself."""
    chain = [model]
    while chain[-1].parent is not None:
        chain.append(chain[-1].parent)
    return chain[::-1]


def written(model: ModelVersion) -> str:
    """The card that is made of what is recorded, and says so where something is not."""
    parts = [head(model), f"# {model.name}", summary(model), *measured(model), *learnt(model), *limits(model),
             *loading(model), *origin(model)]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def licence_of(model: ModelVersion) -> str:
    """What was recorded when the model, or what it comes from, was registered; empty where nobody did."""
    return next((str(one.config["license"]) for one in reversed(lineage(model)) if one.config.get("license")), "")


def figures_of(model: ModelVersion) -> list[tuple[str, dict[str, Any]]]:
    return [(name, one) for name, one in model.metrics.items() if isinstance(one, dict) and "value" in one]


def head(model: ModelVersion) -> str:
    adapter = model.format == ModelVersion.Format.ADAPTER
    values: dict[str, Any] = {"library_name": "peft" if adapter else "transformers"}
    if model.parent:
        merged = model.job is not None and model.job.kind == "merge"
        relation = "adapter" if adapter else "merge" if merged else "finetune"
        values |= {"base_model": model.parent.name, "base_model_relation": relation}
    if licence := licence_of(model):
        values["license"] = licence
    values["pipeline_tag"] = "text-classification" if model.role == "reward" else "text-generation"
    values["tags"] = ["palate", str(model.role), *(["lora"] if adapter else []), *model.tags]
    if model.dataset:
        values["datasets"] = [str(model.dataset)]
    results = [{"type": name, "value": round(one["value"], 4), "name": f"held-out {name}"}
               for name, one in figures_of(model)]  # fmt: skip
    if results and model.dataset:
        values["model-index"] = [{"name": model.name, "results": [{
            "task": {"type": values["pipeline_tag"]}, "metrics": results,
            "dataset": {"name": str(model.dataset), "type": "preference", "split": "held_out"},
        }]}]  # fmt: skip
    return "---\n" + yaml.safe_dump(values, sort_keys=False, allow_unicode=True) + "---"


def summary(model: ModelVersion) -> str:
    known = {"policy": "A policy: it answers prompts", "reward": "A reward model: it scores responses"}
    role = known.get(model.role, f"A {model.role}: it says in words which response is better")
    base = f" It comes from `{model.parent.name}`." if model.parent else ""
    return f"{role}. It is {model.get_format_display()}.{base}"


def measured(model: ModelVersion) -> Iterable[str]:
    yield "## Measured"
    rows = [
        (name, f"{one['value']:.3f}", f"{one['low']:.3f} to {one['high']:.3f}" if one.get("low") is not None else "",
         f"{one.get('n') or 0:,}")
        for name, one in figures_of(model)
    ]  # fmt: skip
    yield table(("on held-out rows", "value", "95% interval", "n"), rows) if rows else "Nothing was measured."


def learnt(model: ModelVersion) -> Iterable[str]:
    yield "## How it was made"
    config = model.config
    settings = [(name.replace("_", " "), str(config[name])) for name in SHOWN_SETTINGS if config.get(name) is not None]
    if model.dataset:
        card, rows = model.dataset.card, model.dataset.rows
        parts = ", ".join(f"{count:,} {split.replace('_', ' ')}" for split, count in rows.items())
        answers = f", from {card['feedback']:,} answers by {card['raters']:,} raters" if "raters" in card else ""
        yield (f"From the dataset `{model.dataset}`: {parts} rows{answers}. "
               f"Its content hash is `{model.dataset.content_hash}`.")  # fmt: skip
    elif model.parent and not model.job:
        yield f"From `{model.parent.name}`; how is not recorded."
    if settings:
        yield table(("setting", "value"), settings)
    if not model.dataset and not settings:
        yield "It was not trained here, and nothing about its training is recorded."


def limits(model: ModelVersion) -> Iterable[str]:
    yield "## Limits"
    found = []
    if figures_of(model):
        found.append("The figures hold for held-out rows of the same dataset. Other prompts were not measured.")
    else:
        found.append("Nothing was measured, so nothing is known about how good it is.")
    if model.dataset and (simulated := model.dataset.card.get("simulated_answers")):
        found.append(f"{simulated:,} of the answers that it learnt from are simulated annotators'.")
    if not licence_of(model):
        found.append("No licence is recorded. Look at that of what it was made from before you pass it on.")
    yield "\n".join(f"- {one}" for one in found)


def loading(model: ModelVersion) -> Iterable[str]:
    if not model.has_weights:
        return
    scores = model.role == "reward"
    kind = "AutoModelForSequenceClassification" if scores else "AutoModelForCausalLM"
    extra = ", num_labels=1" if scores else ""
    yield "## How to load it"
    lines = ["```python", f"from transformers import {kind}, AutoTokenizer"]
    if model.format == ModelVersion.Format.ADAPTER and model.parent:
        lines += ["from peft import PeftModel", "", f'base = {kind}.from_pretrained("{model.parent.name}"{extra})',
                  f'model = PeftModel.from_pretrained(base, "{model.name}")',
                  f'tokenizer = AutoTokenizer.from_pretrained("{model.parent.name}")']  # fmt: skip
    else:
        lines += ["", f'model = {kind}.from_pretrained("{model.name}"{extra})',
                  f'tokenizer = AutoTokenizer.from_pretrained("{model.name}")']  # fmt: skip
    yield "\n".join([*lines, "```"])


def origin(model: ModelVersion) -> Iterable[str]:
    yield "## Where it came from"
    chain = " → ".join(f"`{one.name}`" for one in lineage(model))
    run = f", in the run `{model.job.name}`" if model.job else ""
    yield f"{chain}. Made on {model.created_at:%Y-%m-%d}{run}, code `{model.code_version or 'unknown'}`."


def table(top: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    cells = [[one.replace("|", "\\|").replace("\n", " ") for one in row] for row in rows]
    return "\n".join("| " + " | ".join(one) + " |" for one in (top, ("---",) * len(top), *cells))
