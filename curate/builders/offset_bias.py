"""offset_bias: pairs that take the polish away as a reason: good answers over off-topic and over erroneous ones.

OffsetBias (Park et al. 2024, 2407.06551): a judge that is only shown good and bad answers learns that what reads well
is good. So it is shown rejected answers that read as well as the chosen one. *Off-topic*: a good answer to another
prompt, similar or not. *Erroneous*: an answer with mistakes in it. The paper has strong models write both; ours are
made of what raters chose, so that they need no other model and say whose answers they stand on:

- similar: the chosen response to the prompt with the most words in common (below `most_alike`, where it could fit this
  prompt too); dissimilar: that to a prompt drawn at random; mixed: half of each.
- numbers: the chosen response with each of its numbers changed; cut: with its last half left out.

Answers to other prompts come from the same split, so nothing held out gets into training, and a row names their votes
beside its own.
"""

import hashlib
import heapq
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from curate.builders.base import Builder, Candidate, Decision, Item, Options, Tools
from curate.builders.preference import preference_columns
from curate.builders.said import prompt_of, row_of_decision, same_text, sides
from curate.rows import PREFERENCE, Row, assistant

POOL = 2_000
"""So many answers of a split are kept to choose from, whatever the size of the dataset."""
POSTINGS = 100
"""So many prompts of the pool are looked at for each word."""
OFF_TOPIC = "off_topic"
WORD = re.compile(r"\w+")
NUMBER = re.compile(r"(?<![\w.,])\d{1,9}(?![\w]|[.,]\d)")
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=\S)")
LEAST_SENTENCES = 4
"""Half of fewer is often an answer still."""


class OffsetBiasOptions(Options):
    off_topic: Literal["mixed", "similar", "dissimilar", "none"] = Field(
        "mixed", description="a pair with a good answer to another prompt as the rejected one: to a similar prompt, to "
        "any other, or half of each"
    )  # fmt: skip
    numbers: bool = Field(True, description="a pair with the chosen response's numbers changed in the rejected one")
    cut: bool = Field(True, description="a pair with the last half of the chosen response left out in the rejected one")
    most_alike: float = Field(
        0.6, gt=0, le=1, description="prompts that share more of their words than this may have the same answer"
    )


# --- Erroneous ------------------------------------------------------------------------------------------------------


def erroneous(text: str, options: OffsetBiasOptions, seed: str) -> dict[str, str]:
    """{kind: the text with mistakes}, of the kinds that it can be given."""
    found = {}
    if options.numbers and (wrong := other_numbers(text, seed)) != text:
        found["numbers"] = wrong
    if options.cut and (short := cut_short(text)):
        found["cut"] = short
    return found


def other_numbers(text: str, seed: str) -> str:
    """Each whole number becomes another of the same length; a number at the start of a line, as in a list, stays."""

    def changed(match: re.Match[str]) -> str:
        before = text[: match.start()].rsplit("\n", 1)[-1]
        if not before.strip() and text[match.end() : match.end() + 1] in (".", ")"):
            return match[0]
        digits = len(match[0])
        low = 10 ** (digits - 1) if digits > 1 else 1
        span = 10**digits - low
        value = int(match[0])
        # Never by a multiple of the span, so never the same.
        shift = 1 + drawn(f"{seed}:{match.start()}") % (span - 1)
        return str(low + (value - low + shift) % span)

    return NUMBER.sub(changed, text)


def cut_short(text: str) -> str:
    """The first half of the sentences; empty where there are too few to cut."""
    sentences = SENTENCE.split(text.strip())
    return " ".join(sentences[: len(sentences) // 2]) if len(sentences) >= LEAST_SENTENCES else ""


def drawn(words: str) -> int:
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big")


# --- Off topic ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Donor:
    """A good answer, and what it was given to."""

    prompt_key: str
    words: frozenset[str]
    text: str
    model: str
    feedback_ids: tuple[int, ...]


class Pool:
    """Good answers of one split, and which prompts have a word."""

    def __init__(self, donors: Sequence[Donor]) -> None:
        self.donors = donors
        self.with_word: dict[str, list[int]] = {}
        for place, donor in enumerate(donors):
            for word in donor.words:
                places = self.with_word.setdefault(word, [])
                if len(places) < POSTINGS:
                    places.append(place)

    def other(
        self, row: Row, words: frozenset[str], text: str, *, similar: bool, most: float, seed: int
    ) -> Donor | None:
        """An answer to another prompt; None where there is none that could not fit this one."""

        def fits(donor: Donor) -> bool:
            return (
                donor.prompt_key != row.prompt_key
                and not same_text(donor.text, text)
                and alike(words, donor.words) <= most
            )

        if similar:
            shared = Counter(place for word in words for place in self.with_word.get(word, ()))
            near = [self.donors[place] for place, _ in shared.most_common(POSTINGS)]
            found = max((one for one in near if fits(one)), key=lambda one: alike(words, one.words), default=None)
            if found:
                return found
        start = seed % max(len(self.donors), 1)
        return next((one for one in (*self.donors[start:], *self.donors[:start]) if fits(one)), None)


def alike(one: frozenset[str], other: frozenset[str]) -> float:
    """Jaccard similarity; 1 for two empty sets, which say nothing about being different."""
    return len(one & other) / len(one | other) if one | other else 1.0


def words_of(messages: Iterable[dict[str, str]]) -> frozenset[str]:
    return frozenset(WORD.findall(" ".join(one["content"] for one in messages).lower()))


# --- Rows -----------------------------------------------------------------------------------------------------------


def rows(item: Item, tools: Tools) -> Iterator[Row]:
    """Off-topic rows have the pair's own rejected response until `finish` knows the other prompts."""
    for decision, chosen, rejected in decided(item, tools):
        prompt = prompt_of(item, chosen)
        made = {OFF_TOPIC: rejected.text} if tools.options.off_topic != "none" else {}
        made |= erroneous(chosen.text, tools.options, item.prompt_key)
        if not made:
            tools.drop("nothing_wrong")
        for kind, text in made.items():
            worse = Candidate(rejected.response_id, text, rejected.model if kind == OFF_TOPIC else chosen.model)
            columns = preference_columns(prompt, chosen, worse)
            # How it was made is no column of the file: `finish` reads it and takes it out.
            columns |= {"chosen_score": None, "rejected_score": None, "made": kind}
            yield row_of_decision(item, decision, columns, candidates=(chosen, worse))


def decided(item: Item, tools: Tools) -> Iterator[tuple[Decision, Candidate, Candidate]]:
    if len(item.candidates) == 2 and same_text(item.candidates[0].text, item.candidates[1].text):
        tools.drop("same_text")
        return
    found = [one for one in item.decisions if not one.tie]
    if not found:
        tools.drop("undecided")
    for decision in found:
        yield (decision, *sides(item, decision))


def finish(all_rows: Iterable[Row], tools: Tools) -> Iterator[Row]:
    pools = pools_of(all_rows, lambda row: (row.columns["prompt"], row.columns["chosen"][0]["content"]))
    for row in all_rows:
        if row.columns.pop("made") == OFF_TOPIC:
            messages, chosen = row.columns["prompt"], row.columns["chosen"][0]["content"]
            donor = donor_of(row, pools, messages, chosen, tools.options)
            if donor is None:
                tools.drop("no_other")
                continue
            row.columns["rejected"] = assistant(donor.text)
            row.columns["rejected_finished"] = True
            given_by(row, donor)
        yield row


def given_by(row: Row, donor: Donor) -> None:
    """The row stands on the votes for the other answer too."""
    row.feedback_ids = tuple(dict.fromkeys([*row.feedback_ids, *donor.feedback_ids]))
    row.models = (row.models[0], donor.model)


def pools_of(all_rows: Iterable[Row], asked: Any) -> dict[str, Pool]:
    """split -> answers to choose from, those of the smallest hashes, so that the same rows give the same."""
    heaps: dict[str, list[tuple[int, str, Donor]]] = {}
    seen: dict[str, set[str]] = {}
    for row in all_rows:
        heap, keys = heaps.setdefault(row.split, []), seen.setdefault(row.split, set())
        rank = -drawn(f"donor:{row.prompt_key}")
        if row.prompt_key in keys or (len(heap) == POOL and rank < heap[0][0]):
            continue
        messages, text = asked(row)
        keys.add(row.prompt_key)
        donor = Donor(row.prompt_key, words_of(messages), text, row.models[0], row.feedback_ids)
        entry = (rank, row.prompt_key, donor)
        if len(heap) < POOL:
            heapq.heappush(heap, entry)
        else:
            keys.discard(heapq.heappushpop(heap, entry)[1])
    return {split: Pool([donor for _, _, donor in sorted(heap, reverse=True)]) for split, heap in heaps.items()}


def donor_of(
    row: Row, pools: dict[str, Pool], messages: Iterable[dict[str, str]], chosen: str, options: OffsetBiasOptions
) -> Donor | None:
    """The same for both orders of a comparison."""
    seed = drawn(f"off topic:{row.prompt_key}:{chosen}")
    similar = options.off_topic == "similar" or (options.off_topic == "mixed" and seed % 2 == 0)
    return pools[row.split].other(
        row, words_of(messages), chosen, similar=similar, most=options.most_alike, seed=seed >> 1
    )


REASONS = {
    "same_text": "with two different texts",
    "undecided": "with a preferred side",
    "nothing_wrong": "whose chosen response can be given a mistake",
    "no_other": "with a good answer to another prompt",
}
BUILDER = Builder(
    slug="offset_bias",
    title="Pairs against polish",
    summary="The chosen response over a good answer to another prompt, and over itself with mistakes (OffsetBias).",
    kinds=("pairwise", "chat", "ranking", "rubric"),
    row=PREFERENCE,
    rows=rows,
    reads="decisions",
    options=OffsetBiasOptions,
    reasons=REASONS,
    paper="Park et al. 2024, 2407.06551",
    finish=finish,
)
