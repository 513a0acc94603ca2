"""Heads on sequence-classification models, for any architecture that reads text: decoders and encoders.

A decoder's head reads the state of the last token, which alone has seen all of the text. An encoder's head reads what
its architecture pools (BERT the first token, through its pooler), so the whole of its own forward is run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

Row = Sequence[int]

CLASSIFIER = "ForSequenceClassification"
MEMBER = "member-"
ENCODER_TEMPLATE = (
    "{{ cls_token }}{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{{ sep_token }}"
)
"""[CLS] conversation [SEP], and the response with its own [SEP] after it: the two segments that encoders know."""


def has_head(inner: Any) -> bool:
    return type(inner).__name__.endswith(CLASSIFIER)


def is_encoder(inner: Any) -> bool:
    """Decoders of transformers name their head `score`, encoders do not."""
    return has_head(inner) and not hasattr(inner, "score")


def parts_of(inner: Any) -> list[str]:
    """Names of the modules outside the backbone that hold weights: all that a new task trains from nothing."""
    return [
        name
        for name, part in inner.named_children()
        if name != inner.base_model_prefix and next(part.parameters(), None) is not None
    ]


def layers_of(inner: Any) -> Any:
    """The stack of layers of a backbone, from the first to the last."""
    stacks = [part for part in getattr(inner, inner.base_model_prefix).modules() if isinstance(part, nn.ModuleList)]
    return next(part for part in stacks if len(part) == inner.config.num_hidden_layers)


def prepare(model: Any, missing: Iterable[str]) -> Any:
    """A freshly loaded classifier, made ready to be trained and read.

    A head that is new (its weights `missing` from the files) gives 0 for every text. Heads are float32, since small
    steps would be lost in 16 bits; an encoder is so as a whole, since its head sits inside its forward.
    Raises ValueError for an architecture that reads with an encoder and writes with a decoder.
    """
    if getattr(model.config, "is_encoder_decoder", False):
        raise ValueError(
            f"{type(model).__name__} is an encoder with a decoder, which cannot be a reward model here. Start from a "
            "language model, or from an encoder such as BERT."
        )
    if new := set(missing):
        begin(model, new)
    if is_encoder(model):
        return model.float()
    model.score.float()
    return model


def begin(model: Any, missing: set[str]) -> None:
    """The same weights every time: the last layer at 0, what lies before it drawn with a seed of its own."""
    last = ""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for name, part in model.named_modules():
            if not isinstance(part, nn.Linear) or f"{name}.weight" not in missing:
                continue
            part.weight.data.normal_(std=getattr(model.config, "initializer_range", 0.02))
            if part.bias is not None:
                part.bias.data.zero_()
            last = name
    if last:
        model.get_submodule(last).weight.data.zero_()


def read(inner: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """What the head says of each row, shape (rows, outputs), float32. Rows are padded on the right."""
    if is_encoder(inner):
        logits: Tensor = inner(input_ids=ids, attention_mask=mask).logits
        return logits
    hidden = getattr(inner, inner.base_model_prefix)(input_ids=ids, attention_mask=mask).last_hidden_state
    last = hidden[torch.arange(len(ids), device=ids.device), mask.sum(dim=1) - 1]
    outputs: Tensor = inner.score(last.float())
    return outputs


def longest(inner: Any) -> int | None:
    """Tokens that an encoder has positions for; None where the architecture sets no such limit."""
    if not is_encoder(inner):
        return None
    positions = getattr(inner.config, "max_position_embeddings", None)
    table = getattr(getattr(getattr(inner, inner.base_model_prefix), "embeddings", None), "position_embeddings", None)
    # RoBERTa and its kin count positions from after their padding.
    offset = table.padding_idx + 1 if table is not None and table.padding_idx is not None else 0
    return None if positions is None else int(positions) - offset


def teach_turns(tokenizer: Any) -> None:
    """Give an encoder's tokenizer, which knows no conversations, a way to write one. Others stay as they are."""
    if not tokenizer.chat_template and tokenizer.cls_token and tokenizer.sep_token:
        tokenizer.chat_template = ENCODER_TEMPLATE
        tokenizer.eos_token = tokenizer.sep_token


def adapter_settings(model: Any) -> dict[str, Any]:
    """What an adapter's configuration has to say of the head: it is trained whole, and gets no LoRA weights."""
    parts = parts_of(model) if has_head(model) else []
    if not parts:
        return {"task_type": "CAUSAL_LM"}
    return {
        "task_type": "SEQ_CLS", "modules_to_save": parts, "exclude_modules": rf"({'|'.join(parts)})(\..*)?",
    }  # fmt: skip


# --- Several adapters on one model ------------------------------------------------------------------------------------


def member_name(number: int) -> str:
    """Of the adapter number `number` of an ensemble, counted from 0."""
    return f"{MEMBER}{number + 1}"


def with_adapters(model: Any, folder: str | Path) -> Any:
    """The model with the adapter in `folder`, or with all those of an ensemble, in folders of their own there."""
    from peft import PeftModel

    members = sorted(Path(folder).glob(f"{MEMBER}*/adapter_config.json"), key=lambda path: number_of(path.parent.name))
    if not members:
        return PeftModel.from_pretrained(model, folder)
    first, *others = [path.parent for path in members]
    model = PeftModel.from_pretrained(model, first, adapter_name=first.name)
    for other in others:
        model.load_adapter(other, adapter_name=other.name)
    return model


def number_of(name: str) -> int:
    return int(name.removeprefix(MEMBER)) - 1


def members_of(model: Any) -> list[str]:
    """Names of the adapters of an ensemble; [""] for a model that is not one."""
    names = list(getattr(model, "peft_config", ()))
    return names if len(names) > 1 else [""]


def choose(model: Any, member: str) -> None:
    """Let the adapter of that name compute; "" leaves what is chosen."""
    if member:
        model.set_adapter(member)


@torch.inference_mode()
def by_member(model: Any, rows: Sequence[Row], score: Callable[[Sequence[Row]], Tensor], *, batch_size: int) -> Tensor:
    """`score` of all rows by each member of an ensemble, shape (members, rows, ...) on the CPU; one if it is none."""
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
    back = torch.tensor(order).argsort()
    found = []
    for member in members_of(model):
        choose(model, member)
        batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
        values = [score([rows[index] for index in batch]).float().cpu() for batch in batches]
        found.append(torch.cat(values)[back] if values else torch.zeros(0))
    return torch.stack(found)
