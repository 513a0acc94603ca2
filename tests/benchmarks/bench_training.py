"""Training and sampling beside a peer that computes the same: the same weights, rows, batches and settings, in float32.

Before anything is timed, both sides run once: their losses and their tokens must agree, or there is no figure.
The model is random and small, with a vocabulary of bytes, so what is compared is the code around the arithmetic.
"""

import contextlib
import functools
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers
from torch.utils.data import Dataset
from transformers import LlamaConfig, LlamaForCausalLM

from tests.benchmarks.figure import Figure
from tests.workers.tiny import make_tokenizer
from workers.modeling import (
    Decoding,
    Message,
    Sample,
    add_lora,
    generate,
    load_policy,
    load_tokenizer,
    prompt_ids,
    render_prompt,
)
from workers.pairs import PreferencePair, TokenPair, epoch_batches, tokenize_pairs
from workers.training import TrainingSettings, train_pairs

PAIRS = 64
PROMPTS = 64
REPEATS = 3
BATCH = 16  # prompts at once
DECODING = Decoding()
SEED = 0
TOLERANCE = 1e-4
# TRL's default is 8 pairs at once as well; without a warm-up the two schedules are the same.
SETTINGS = TrainingSettings(learning_rate=1e-4, batch_size=8, micro_batch=8, warmup_share=0.0, seed=SEED)


def dpo_tokens_per_s() -> Figure:
    """One epoch of DPO on LoRA weights, the reference's log-probabilities included; tokens of both sides of a pair."""
    with workplace() as folder:
        import trl  # slow to import, and only this needs it

        pairs, tokens = make_pairs(load_tokenizer(folder), PAIRS)
        check_losses(train_ours(folder, tokens)[1], train_theirs(folder, pairs, tokens)[1])
        ours, theirs = alternate(lambda: train_ours(folder, tokens)[0], lambda: train_theirs(folder, pairs, tokens)[0])
    count = sum(pair.tokens for pair in tokens)
    return Figure(
        "dpo_tokens_per_s",
        round(count / ours, 1),
        "tokens/s",
        peer=f"trl {trl.__version__} DPOTrainer",
        peer_value=round(count / theirs, 1),
        n=PAIRS,
    )


def sample_tokens_per_s() -> Figure:
    """Tokens generated in batches of 16 by the decoding that jobs have by default, without the end-of-turn token."""
    with workplace() as folder:
        model, tokenizer, pipe = load_policy(folder), load_tokenizer(folder), make_pipeline(folder)
        prompts = make_prompts(tokenizer, PROMPTS)
        count = check_samples(sample_ours(model, tokenizer, prompts)[1], pipe, prompts)
        ours, theirs = alternate(
            lambda: sample_ours(model, tokenizer, prompts)[0],
            lambda: sample_theirs(pipe, prompts, return_full_text=False)[0],
        )
    return Figure(
        "sample_tokens_per_s",
        round(count / ours, 1),
        "tokens/s",
        peer=f"transformers {transformers.__version__} text-generation pipeline",
        peer_value=round(count / theirs, 1),
        n=PROMPTS,
    )


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A folder with the model, all cores for torch, and nothing of what libraries print among the figures."""
    threads = torch.get_num_threads()
    torch.set_num_threads(len(os.sched_getaffinity(0)))  # tests/workers/tiny.py has set it to 1
    try:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
            yield make_model(Path(folder))
    finally:
        torch.set_num_threads(threads)


def make_model(folder: Path) -> Path:
    """A llama of 9.5 million random weights, with the tokenizer of the tests."""
    tokenizer = make_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=384,
        intermediate_size=1024,
        num_hidden_layers=6,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def text(source: random.Random, shortest: int, longest: int) -> str:
    return "".join(source.choices("abcdefghijklmnopqrstuvwxyz      ", k=source.randint(shortest, longest)))


def make_pairs(tokenizer: Any, count: int) -> tuple[list[PreferencePair], list[TokenPair]]:
    """As text and as tokens: prompts of about 60 tokens, completions of about 120."""
    source = random.Random(SEED)
    pairs = [
        PreferencePair(user(text(source, 20, 60)), text(source, 60, 180), text(source, 60, 180)) for _ in range(count)
    ]
    tokens, counts = tokenize_pairs(tokenizer, pairs, max_tokens=1024)
    if counts.used != count:
        raise RuntimeError(f"Of {count} pairs only {counts.used} can be trained on.")
    return pairs, tokens


def make_prompts(tokenizer: Any, count: int) -> list[list[Message]]:
    """The longest first, as ours takes them, so that the batches are the same without a reordering."""
    source = random.Random(SEED)
    prompts = [user(text(source, 20, 60)) for _ in range(count)]
    return sorted(prompts, key=lambda messages: -len(prompt_ids(tokenizer, messages)))


def user(content: str) -> list[Message]:
    return [{"role": "user", "content": content}]


def alternate(ours: Callable[[], float], theirs: Callable[[], float]) -> tuple[float, float]:
    """Medians of seconds, one after the other in turn; both have run once before, to be checked."""
    seconds = [(ours(), theirs()) for _ in range(REPEATS)]
    return statistics.median(mine for mine, _ in seconds), statistics.median(their for _, their in seconds)


def train_ours(
    folder: Path, tokens: list[TokenPair], *, shared_prefix: bool = True, reference_cache: Path | None = None
) -> tuple[float, list[float]]:
    """Seconds, and the loss of each step."""
    tokenizer = load_tokenizer(folder)
    model = add_lora(load_policy(folder), seed=SEED)
    losses: list[float] = []
    start = time.perf_counter()
    train_pairs(
        model,
        tokens,
        settings=replace(SETTINGS, shared_prefix=shared_prefix),
        reference_cache=reference_cache,
        pad_id=tokenizer.pad_token_id,
        on_step=lambda step, total, metrics: losses.append(metrics["loss"]),
    )
    return time.perf_counter() - start, losses


def train_theirs(folder: Path, pairs: list[PreferencePair], tokens: list[TokenPair]) -> tuple[float, list[float]]:
    """The same of TRL: seconds of the reference's log-probabilities and of training, without its tokenization."""
    # The rows in the order in which ours takes them: TRL gets the benefit of batches of similar lengths too.
    batches = epoch_batches(tokens, batch_size=SETTINGS.batch_size, seed=SEED, epoch=0)
    order = [index for batch in batches for index in batch]
    trainer = make_trainer(folder, [pairs[index] for index in order])
    trainer.remove_callback(transformers.PrinterCallback)
    rows = [
        (tuple(row["prompt_ids"]), tuple(row["chosen_ids"]), tuple(row["rejected_ids"]))
        for row in trainer.train_dataset
    ]
    if rows != [(tokens[index].prompt, tokens[index].chosen, tokens[index].rejected) for index in order]:
        raise RuntimeError("TRL made other tokens of the same pairs.")
    start = time.perf_counter()
    trainer.train()
    seconds = trainer.reference_seconds + time.perf_counter() - start
    return seconds, [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def make_trainer(folder: Path, pairs: list[PreferencePair]) -> Any:
    import datasets
    from trl import DPOConfig

    datasets.disable_progress_bars()
    tokenizer, model = load_tokenizer(folder), load_policy(folder)
    rows = [
        {"prompt": render_prompt(tokenizer, pair.messages), "chosen": pair.chosen, "rejected": pair.rejected}
        for pair in pairs
    ]
    settings = DPOConfig(
        output_dir=str(folder / "trl"),
        use_cpu=True,
        bf16=False,  # its default, True, would compute something else
        gradient_checkpointing=False,  # its default, True, saves memory and costs time
        precompute_ref_log_probs=True,  # its default, False, measures the reference anew at each step of each epoch
        precompute_ref_batch_size=2 * SETTINGS.micro_batch,  # as ours
        per_device_train_batch_size=SETTINGS.micro_batch,
        gradient_accumulation_steps=SETTINGS.batch_size // SETTINGS.micro_batch,
        max_length=None,  # as ours, which cuts nothing
        train_sampling_strategy="sequential",
        num_train_epochs=SETTINGS.epochs,
        learning_rate=SETTINGS.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0,
        weight_decay=SETTINGS.weight_decay,
        max_grad_norm=SETTINGS.max_grad_norm,
        seed=SEED,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    # Without an adapter, so that TRL's reference is the model without one: given a model that has an adapter, it
    # would run a second one.
    lora = add_lora(load_policy(folder)).peft_config["default"]
    return timed_trainer()(
        model=model,
        args=settings,
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=lora,
    )


@functools.cache
def timed_trainer() -> type[Any]:
    from trl import DPOTrainer

    class TimedTrainer(DPOTrainer):
        """A workaround: TRL measures the reference inside its constructor, ours inside train_pairs().

        Of the constructor only the forward passes count as TRL's time; loading the rows for them, keeping the
        results on disk, tokenization and hashing the weights do not.
        """

        reference_seconds = 0.0

        def compute_ref_log_probs(self, model: Any, inputs: Any) -> Any:
            start = time.perf_counter()
            values = super().compute_ref_log_probs(model, inputs)
            self.reference_seconds += time.perf_counter() - start
            return values

        def _send_telemetry(self) -> None:
            """A benchmark tells nobody, and waits for no network."""

    return TimedTrainer


def check_losses(ours: list[float], theirs: list[float]) -> None:
    """Both must have trained alike. At the first step every DPO loss is log 2, so the later ones are compared too."""
    if len(ours) != len(theirs) or any(abs(a - b) > TOLERANCE for a, b in zip(ours, theirs, strict=True)):
        raise RuntimeError(f"Not the same training: the losses are {ours} here and {theirs} in TRL.")
    if max(abs(loss - ours[0]) for loss in ours) < 10 * TOLERANCE:
        raise RuntimeError(f"The losses hardly move, so their agreement shows nothing: {ours}")
    print(f"The losses of {len(ours)} steps agree: {ours} and {theirs}", file=sys.stderr)


def sample_ours(model: Any, tokenizer: Any, prompts: list[list[Message]]) -> tuple[float, list[Sample]]:
    start = time.perf_counter()
    samples = generate(model, tokenizer, prompts, settings=DECODING, seed=SEED, batch_size=BATCH)
    return time.perf_counter() - start, samples


def make_pipeline(folder: Path) -> Any:
    """With a model and a tokenizer of its own: it changes settings of both."""
    return transformers.pipeline("text-generation", model=load_policy(folder), tokenizer=load_tokenizer(folder))


def sample_theirs(pipe: Any, prompts: list[list[Message]], **output: bool) -> tuple[float, list[dict[str, Any]]]:
    """Seconds, and what the pipeline returns."""
    with torch.random.fork_rng():
        start = time.perf_counter()
        answers = pipe(
            Rendered(pipe.tokenizer, prompts),
            batch_size=BATCH,
            add_special_tokens=False,
            do_sample=True,
            temperature=DECODING.temperature,
            top_p=DECODING.top_p,
            top_k=0,
            max_new_tokens=DECODING.max_new_tokens,
            **output,
        )
        records = [answer for (answer,) in answers]
        return time.perf_counter() - start, records


class Rendered(Dataset[str]):
    """Prompts by the chat template, and the seed: the pipeline's loader draws a number before the first row."""

    def __init__(self, tokenizer: Any, prompts: list[list[Message]]) -> None:
        self.tokenizer, self.prompts = tokenizer, prompts

    def __len__(self) -> int:
        return len(self.prompts)

    def __getitem__(self, index: int) -> str:
        if index == 0:
            torch.manual_seed(SEED)
        return render_prompt(self.tokenizer, self.prompts[index])


def check_samples(samples: list[Sample], pipe: Any, prompts: list[list[Message]]) -> int:
    """How many tokens each side generates: with the same seed, the same ones."""
    texts = [record["generated_text"] for record in sample_theirs(pipe, prompts, return_full_text=False)[1]]
    # Ours leaves out the half of a character at which a response was cut.
    if [sample.text.rstrip("\ufffd") for sample in samples] != [text.rstrip("\ufffd") for text in texts]:
        raise RuntimeError("The pipeline sampled other responses from the same seed.")
    lengths = [len(prompt_ids(pipe.tokenizer, messages)) for messages in prompts]
    counts = []
    for index, record in enumerate(sample_theirs(pipe, prompts, return_tensors=True)[1]):
        start = index - index % BATCH
        row = record["generated_token_ids"][max(lengths[start : start + BATCH]) :]
        counts.append(row.index(pipe.tokenizer.eos_token_id) if pipe.tokenizer.eos_token_id in row else len(row))
    if counts != [sample.tokens for sample in samples]:
        raise RuntimeError("The pipeline generated another number of tokens.")
    return sum(counts)


BENCHMARKS = {"dpo_tokens_per_s": dpo_tokens_per_s, "sample_tokens_per_s": sample_tokens_per_s}
