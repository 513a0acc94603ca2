"""Read a verdict off a language model: the probabilities of the tokens that can be the verdict.

A judge that replies with one letter or one digit says more than its reply: how sure it was. The probabilities of the
verdict tokens are taken among themselves (JSFT, Lee et al. 2024, 2402.11253); what all of them together hold of the
next token, their *mass*, says whether the model was answering the question at all. Pure torch; no Django.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workers import modeling
from workers.modeling import Messages


class NoVerdictToken(ValueError):
    """The tokenizer does not write a verdict as one token of its own."""


@dataclass(frozen=True)
class Reading:
    """What a judge said of one question. `probabilities` are those of the choices, in their order, and add up to 1.

    `mass`: share of the next token's probability that the choices hold together. `text`: what was written before the
    verdict, for a judge that reasons first. `parsed`: whether there was a place for a verdict at all; where not, the
    probabilities are NaN.
    """

    probabilities: tuple[float, ...]
    mass: float
    text: str = ""
    parsed: bool = True


def split_at_verdict(
    tokenizer: Any, before: str, choices: Sequence[str], after: str = ""
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """(tokens before the verdict, the token of each choice, tokens after it) of `before` + choice + `after`.

    The whole is turned into tokens once a choice, since a letter after a space or a line break is another token than
    the letter alone. Raises NoVerdictToken unless the choices differ in exactly one token, at one place.
    """
    rows = [tuple(tokenizer(before + choice + after, add_special_tokens=False).input_ids) for choice in choices]
    first = rows[0]
    places = {place for row in rows[1:] for place in range(len(first)) if row[place : place + 1] != first[place:][:1]}
    same_length = all(len(row) == len(first) for row in rows)
    tokens = {row[min(places)] for row in rows} if same_length and len(places) == 1 else set()
    if len(tokens) != len(rows):
        raise NoVerdictToken(
            f"The tokenizer does not write {', '.join(choices)} as one token each after "
            f"{before[-20:]!r}. Judge with another model, or train this one on verdicts that it can write."
        )
    place = min(places)
    return first[:place], tuple(row[place] for row in rows), first[place + 1 :]


@torch.inference_mode()
def read_choices(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Messages],
    choices: Sequence[str],
    *,
    openings: Sequence[str] | None = None,
    batch_size: int = 16,
    on_batch: Callable[[int], None] | None = None,
) -> list[Reading]:
    """The verdict of a judge that replies with a choice at once, or after `openings`, which it is made to have said.

    In the order of `prompts`. `on_batch(done)` follows each batch and may raise to stop.
    """
    openings = openings or [""] * len(prompts)
    rows, tokens = [], []
    for messages, opening in zip(prompts, openings, strict=True):
        before, options, _ = split_at_verdict(tokenizer, opening, choices)
        rows.append([*modeling.prompt_ids(tokenizer, messages), *before])
        tokens.append(options)
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
    readings: dict[int, Reading] = {}
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        log_probs = next_token_log_probs(model, [rows[index] for index in batch], pad_id=tokenizer.pad_token_id)
        chosen = log_probs.gather(1, torch.tensor([tokens[index] for index in batch], device=log_probs.device))
        for index, row in zip(batch, chosen.double(), strict=True):
            readings[index] = Reading(
                tuple(row.softmax(0).tolist()), float(row.exp().sum().clamp(max=1.0)), openings[index]
            )
        if on_batch:
            on_batch(len(readings))
    return [readings[index] for index in range(len(rows))]


def next_token_log_probs(model: Any, rows: Sequence[Sequence[int]], *, pad_id: int) -> Tensor:
    """Log-probabilities over the vocabulary of the token after each row, in nats, shape (rows, vocabulary)."""
    inner = modeling.inner_of(model)
    device = next(model.parameters()).device
    ids, mask = modeling.pad(rows, value=pad_id)
    hidden = modeling.backbone_of(inner)(
        input_ids=ids.to(device), attention_mask=mask.to(device)
    ).last_hidden_state  # fmt: skip
    last = hidden[torch.arange(len(rows), device=device), mask.sum(dim=1).to(device) - 1]
    return modeling.vocabulary_logits(inner, last).log_softmax(-1)


def reason_then_read(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Messages],
    choices: Sequence[str],
    *,
    marker: str,
    max_new_tokens: int = 384,
    batch_size: int = 16,
    on_batch: Callable[[int], None] | None = None,
) -> list[Reading]:
    """The verdict of a judge that writes a critique first (greedy), then a line that begins with `marker`.

    Its own letter is not what is read, but the probabilities at that place. A reply without the line has no verdict:
    it is not parsed, and its text is kept.
    """
    decoding = modeling.Decoding(temperature=0, max_new_tokens=max_new_tokens)
    replies = modeling.generate(model, tokenizer, prompts, settings=decoding, seed=0, batch_size=batch_size)
    places = [reply.text.rfind(marker) for reply in replies]
    found = [index for index, place in enumerate(places) if place >= 0]
    openings = [replies[index].text[: places[index]] + marker + " " for index in found]
    # A space belongs to the letter's token: the verdict is read where the tokenizer puts the two together.
    read = read_choices(
        model, tokenizer, [prompts[index] for index in found], choices, openings=openings, batch_size=batch_size,
        on_batch=on_batch,
    )  # fmt: skip
    nothing = (float("nan"),) * len(choices)
    readings = [Reading(nothing, 0.0, reply.text, parsed=False) for reply in replies]
    for index, reading in zip(found, read, strict=True):
        readings[index] = Reading(reading.probabilities, reading.mass, replies[index].text)
    return readings


def both_orders(given: Sequence[float], swapped: Sequence[float]) -> tuple[float, ...]:
    """Probabilities of (first better, second better, ...) from the two orders of A, B (and C): their mean.

    `swapped` is read with the responses exchanged, so its A is the second response. What a judge owes to the place of
    an answer falls out (JSFT). NaN where either order has no verdict.
    """
    back = (swapped[1], swapped[0], *swapped[2:])
    return tuple((one + other) / 2 for one, other in zip(given, back, strict=True))
