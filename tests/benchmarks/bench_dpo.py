"""DPO by the length of the prompt, beside TRL, and what each trick of ours gives.

SmolLM2-135M with its own weights, and a random llama of 10 million weights with SmolLM2's vocabulary of 49,152 tokens
(most of its weights are embeddings, as in any small model of a real vocabulary). LoRA of rank 16 on all linear layers,
float32, all cores. Both sides train on the same tokens in the same batches, and measure their reference once in the
same run. Before a figure is given, the losses of both must agree.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import transformers
from torch import nn
from transformers import AutoConfig, LlamaConfig, LlamaForCausalLM

from tests.benchmarks.bench_training import SEED, SETTINGS, check_losses, timed_trainer, workplace
from tests.benchmarks.figure import Figure
from workers.modeling import add_lora, convert_packaged_model, load_policy, load_tokenizer, vocabulary_logits
from workers.pairs import TokenPair, epoch_batches
from workers.training import TrainingSettings, train_pairs

PAIRS = 8
RATIOS = {"0_5": 0.5, "2": 2.0, "6": 6.0}
COMPLETION = 100  # tokens, from 60 to 140
DPO = replace(SETTINGS, batch_size=4, micro_batch=4, learning_rate=1e-3)
MODELS = {"": "smollm2-135m", "_10m": "random-10m"}
ROUNDS = {"": 2, "_10m": 3}
THEIR_MICRO_BATCH = {"": 2, "_10m": 4}  # of 2, 4 and 8 pairs at once the fastest for TRL, as measured
TRICKS = ("packing", "head", "adapters", "products")
SUFFIXES = ("", "_gain", "_gain_known_reference", "_share_loop", *(f"_share_{trick}" for trick in TRICKS))
WORDS = [
    "the",
    "river",
    "keeps",
    "its",
    "own",
    "time",
    "and",
    "people",
    "who",
    "live",
    "along",
    "it",
    "learn",
    "to",
    "read",
    "small",
    "signs",
    "before",
    "the",
    "water",
    "rises",
    "again",
    "when",
    "a",
    "teacher",
    "asks",
    "what",
    "changed",
    "last",
    "year",
    "most",
    "answer",
    "with",
    "weather",
    "prices",
    "or",
    "work",
    "but",
    "few",
    "mention",
    "each",
    "other",
]


def dpo_by_ratio(ratio: str, model: str) -> list[Figure]:
    """Ours beside TRL; the gains are medians of ratios within a round: other work on the machine hits both."""
    import trl

    name = f"dpo_tokens_per_s_ratio_{ratio}{model}"
    with workplace() as folder, tempfile.TemporaryDirectory() as kept:
        policy = make_policy(model, folder / MODELS[model])
        tokens = make_tokens(policy, PAIRS, RATIOS[ratio])
        ways: dict[str, Callable[[], tuple[float, list[float]]]] = {
            "trl": lambda: train_theirs(policy, tokens, DPO, at_once=THEIR_MICRO_BATCH[model]),
            "plain": lambda: train_ours(policy, tokens, replace(DPO, shared_prefix=False)),
            **{trick: functools.partial(up_to, trick, policy, tokens) for trick in TRICKS[:-1]},
            "ours": lambda: train_ours(policy, tokens, DPO),
            "known": lambda: train_ours(policy, tokens, DPO, reference_cache=Path(kept)),
        }
        train_ours(policy, tokens[:2], DPO)  # so that no side pays for what a process does once
        ways["known"]()
        rounds: list[dict[str, float]] = []
        losses: dict[str, list[float]] = {}
        for _ in range(ROUNDS[model]):
            rounds.append({})
            for way, run in ways.items():
                rounds[-1][way], losses[way] = run()
            for way in ways:
                check_losses(losses[way], losses["trl"])
            print(f"{name}, seconds: {rounds[-1]}", file=sys.stderr, flush=True)
    count = sum(pair.tokens for pair in tokens)
    speed = {way: round(count / statistics.median(one[way] for one in rounds), 1) for way in ways}

    def gain(slow: str, fast: str) -> float:
        return round(statistics.median(one[slow] / one[fast] for one in rounds), 3)

    order = ["plain", *TRICKS[:-1], "ours"]
    shares = [gain(slow, fast) for slow, fast in itertools.pairwise(order)]
    difference = max(abs(a - b) for a, b in zip(losses["ours"], losses["trl"], strict=True))
    of = f"{name.replace('tokens_per_s', 'parity_max_loss_difference')}"
    peer = f"trl {trl.__version__} DPOTrainer"
    return [
        Figure(name, speed["ours"], "tokens/s", peer=peer, peer_value=speed["trl"], n=PAIRS),
        Figure(f"{name}_gain", gain("trl", "ours"), "times TRL", n=len(rounds)),
        Figure(f"{name}_gain_known_reference", gain("trl", "known"), "times TRL", n=len(rounds)),
        Figure(f"{name}_share_loop", gain("trl", "plain"), "times", n=len(rounds)),
        *(Figure(f"{name}_share_{trick}", share, "times") for trick, share in zip(TRICKS, shares, strict=True)),
        Figure(of, float(f"{difference:.2g}"), "nats", n=len(losses["ours"])),
    ]


def make_policy(model: str, folder: Path) -> Path:
    smollm = convert_packaged_model(folder.parent / MODELS[""])
    if not model:
        return smollm
    tokenizer, config = load_tokenizer(smollm), AutoConfig.from_pretrained(smollm)
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        LlamaForCausalLM(
            LlamaConfig(
                vocab_size=config.vocab_size, hidden_size=128, intermediate_size=384, num_hidden_layers=16,
                num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True,
                bos_token_id=config.bos_token_id, eos_token_id=config.eos_token_id, pad_token_id=config.pad_token_id,
            )
        ).save_pretrained(folder)  # fmt: skip
    tokenizer.save_pretrained(folder)
    return folder


def make_tokens(policy: Path, count: int, ratio: float) -> list[TokenPair]:
    """Completions of 60 to 140 tokens, prompts of `ratio` times that: words in no order, as SmolLM2 cuts them."""
    tokenizer, source = load_tokenizer(policy), random.Random(SEED)

    def words(mean: float) -> tuple[int, ...]:
        text = " ".join(source.choices(WORDS, k=round(2 * mean)))
        return tuple(tokenizer(text, add_special_tokens=False).input_ids)[: round(mean * source.uniform(0.6, 1.4))]

    end = (tokenizer.eos_token_id,)
    return [
        TokenPair(words(ratio * COMPLETION), words(COMPLETION) + end, words(COMPLETION) + end) for _ in range(count)
    ]


def train_ours(
    policy: Path, tokens: list[TokenPair], settings: TrainingSettings, *, reference_cache: Path | None = None
) -> tuple[float, list[float]]:
    """Seconds of the reference and all steps, and the loss of each step."""
    tokenizer, model = load_tokenizer(policy), add_lora(load_policy(policy), seed=SEED)
    losses: list[float] = []
    start = time.perf_counter()
    train_pairs(
        model, tokens, settings=settings, pad_id=tokenizer.pad_token_id, reference_cache=reference_cache,
        on_step=lambda step, total, metrics: losses.append(metrics["loss"]),
    )  # fmt: skip
    return time.perf_counter() - start, losses


def up_to(trick: str, policy: Path, tokens: list[TokenPair]) -> tuple[float, list[float]]:
    """Ours with the tricks up to this one, and without those after it."""
    missing = TRICKS[TRICKS.index(trick) + 1 :]
    with contextlib.ExitStack() as changed:
        for one in missing:
            changed.enter_context(WITHOUT[one]())
        return train_ours(policy, tokens, DPO)


def all_logits(inner: Any, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return -nn.functional.cross_entropy(vocabulary_logits(inner, hidden), targets, reduction="none")


WITHOUT: dict[str, Callable[[], Any]] = {
    "head": lambda: mock.patch("workers.engine.prefix.token_log_probs", all_logits),
    "adapters": lambda: mock.patch("workers.engine.prefix.fast_products", return_value=nullcontext()),
    "products": lambda: mock.patch("workers.engine.products.has_onednn_products", return_value=False),
}


def train_theirs(
    policy: Path, tokens: list[TokenPair], settings: TrainingSettings, *, at_once: int, **options: Any
) -> tuple[float, list[float]]:
    """The same of TRL: seconds of the reference's forward passes and of training. `options` go to its DPOConfig."""
    import datasets
    from trl import DPOConfig

    datasets.disable_progress_bars()
    # The rows in the order in which ours takes them, the batches of similar length included.
    batches = epoch_batches(tokens, batch_size=settings.batch_size, seed=settings.seed, epoch=0)
    rows = [
        {"prompt_ids": list(pair.prompt), "chosen_ids": list(pair.chosen), "rejected_ids": list(pair.rejected)}
        for pair in (tokens[index] for batch in batches for index in batch)
    ]
    config = DPOConfig(
        output_dir=str(policy.parent / "trl"), use_cpu=True, bf16=False, gradient_checkpointing=False,
        precompute_ref_log_probs=True, precompute_ref_batch_size=at_once, per_device_train_batch_size=at_once,
        gradient_accumulation_steps=settings.batch_size // at_once, max_length=None,
        train_sampling_strategy="sequential", num_train_epochs=settings.epochs, learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine", warmup_steps=0, weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm, seed=SEED, logging_steps=1, save_strategy="no", report_to="none",
        disable_tqdm=True, dataloader_pin_memory=False, **options,
    )  # fmt: skip
    trainer = tokens_trainer()(
        model=load_policy(policy), args=config, train_dataset=datasets.Dataset.from_list(rows),
        processing_class=load_tokenizer(policy), peft_config=add_lora(load_policy(policy)).peft_config["default"],
    )  # fmt: skip
    trainer.remove_callback(transformers.PrinterCallback)
    start_as_ours(trainer.model, policy)
    start = time.perf_counter()
    trainer.train()
    seconds = trainer.reference_seconds + time.perf_counter() - start
    return seconds, [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


@torch.no_grad()
def start_as_ours(theirs: Any, policy: Path) -> None:
    """The same adapter to begin with, whatever was drawn since the seed was set."""
    ours = dict(add_lora(load_policy(policy), seed=SEED).named_parameters())
    for name, weight in theirs.named_parameters():
        if weight.requires_grad:
            weight.copy_(ours[name])


@functools.cache
def tokens_trainer() -> type[Any]:
    class TokensTrainer(timed_trainer()):  # type: ignore[misc]
        """Takes rows that are tokens already."""

        def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
            return dataset

    return TokensTrainer


def names(ratio: str, model: str) -> Iterator[str]:
    for suffix in SUFFIXES:
        yield f"dpo_tokens_per_s_ratio_{ratio}{model}{suffix}"
    yield f"dpo_parity_max_loss_difference_ratio_{ratio}{model}"


CASES: Sequence[tuple[str, str]] = [(ratio, model) for model in MODELS for ratio in RATIOS]
BENCHMARKS = {
    f"dpo_tokens_per_s_ratio_{ratio}{model}": functools.partial(dpo_by_ratio, ratio, model) for ratio, model in CASES
}
YIELDS = {f"dpo_tokens_per_s_ratio_{ratio}{model}": tuple(names(ratio, model)) for ratio, model in CASES}
