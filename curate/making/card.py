"""What a person should know before training on a dataset: balances, lengths, diversity, likely flips, warnings."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from pathlib import Path
from typing import Any, Literal

import numpy as np

from curate.making.scratch import Sorted
from curate.making.tokens import Tokens
from curate.rows import Row, RowType

BINS = 40
DRAWN = 2_000
CUT = 512
FLIPS = 50
FEW = 100
NEARLY_EMPTY = 4
SHORT = 60
"""Characters up to which a critique is short; such ones are looked at for saying the same."""
REPEATED, REPEATED_SHARE = 5, 0.02
"""From so many rows, and this share of them, the same short critique is worth a warning."""
DIFFERENT = 10_000
"""Different short critiques that are counted; what comes first is counted to the end."""


@dataclass(frozen=True)
class Notice:
    """Something looked at: a warning, or that it is fine."""

    key: str
    level: Literal["warn", "ok"]
    title: str
    """Short, with the figure: "Longer answers win 72% of the time"."""
    text: str
    """A sentence: what it means, and what to do."""

    def as_dict(self) -> dict[str, str]:
        return {"key": self.key, "level": self.level, "title": self.title, "text": self.text}


@dataclass
class Lengths:
    """Rows by length in tokens. Counts of bins of `bin` tokens from 0; the last bin takes all that is longer."""

    tokenizer: str = ""
    bin: int = 32
    drawn: int = 0
    """Rows that were counted in tokens."""
    of: int = 0
    """Rows that there are."""
    prompt: list[int] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    """Of the row type's first text after the prompt: chosen, completion, revised."""
    second: list[int] = field(default_factory=list)
    """Of its second: rejected. Empty where there is none."""
    names: tuple[str, ...] = ()
    """Columns that the three lists are of, as ("prompt", "chosen", "rejected")."""
    empty: int = 0
    """Rows whose first text has fewer than NEARLY_EMPTY tokens."""
    means: list[float] = field(default_factory=list)
    """Tokens in the mean of each of `names`; of the counts, not of their bins."""

    def as_dict(self) -> dict[str, Any]:
        return {"tokenizer": self.tokenizer, "bin": self.bin, "drawn": self.drawn, "of": self.of,
                "prompt": self.prompt, "first": self.first, "second": self.second, "names": list(self.names),
                "empty": self.empty, "means": self.means}  # fmt: skip


def lengths_of(texts: Sequence[Sequence[str]], row_type: RowType, tokens: Tokens, *, of: int) -> Lengths:
    """Of the texts of drawn rows, each as the row type's `texts` names them."""
    width = min(len(row_type.texts), 3)
    counts = tokens.counts([part for row in texts for part in row[:width]])
    table = np.array(counts, dtype=np.int64).reshape(-1, width)
    longest = int(np.percentile(table, 99)) if table.size else 0
    size = next(one for one in (8, 16, 32, 64, 128, 256, 512, 1024, 10**9) if one * BINS > longest)
    bins = min(-(-(longest + 1) // size), BINS)
    found = [np.bincount(np.minimum(column // size, bins - 1), minlength=bins).tolist() for column in table.T]
    prompt, first, second = [*found, [], []][:3]
    return Lengths(
        tokens.name, size, len(texts), of, prompt, first, second, row_type.texts[:width],
        int((table[:, 1] < NEARLY_EMPTY).sum()) if width > 1 else 0,
        [round(float(column.mean()), 2) for column in table.T] if table.size else [],
    )  # fmt: skip


@dataclass
class Balance:
    """None where the rows have no two sides, or nobody knows."""

    rows: int = 0
    drawn: int = 0
    """Rows that the figures are of: all of them, or those that were drawn."""
    first: float | None = None
    """Share of the raters who saw the chosen response first."""
    longer: float | None = None
    """Share of rows whose chosen response has more characters; one half for as many."""
    languages: Counter[str] = field(default_factory=Counter)
    models: dict[str, tuple[int, int]] = field(default_factory=dict)
    """{model: (rows in which it was compared with another, rows of these in which its response was chosen)}"""
    strengths: Counter[int] = field(default_factory=Counter)
    """Rows by rounded mean strength, 0 to 3."""
    answers: int = 0
    simulated: int = 0
    verdicts: int = 0
    """Rows that teach a verdict: a digit or a letter by design."""
    turned: int = 0
    """Rows that are another row's pair the other way round; the two sides are compared in the other row alone."""
    repeated: tuple[str, float] | None = None
    """The short critique that comes most often, where it does so REPEATED times, and its share of the critiques."""

    def as_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows, "chosen_first": self.first, "chosen_longer": self.longer,
            "languages": dict(self.languages.most_common()),
            "models": {name: list(counts) for name, counts in sorted(self.models.items())},
            "strengths": {str(one): self.strengths[one] for one in sorted(self.strengths)},
            "answers": self.answers, "simulated_answers": self.simulated,
        }  # fmt: skip


@dataclass
class Tally:
    """Adds rows up to a Balance, one after another."""

    balance: Balance = field(default_factory=Balance)
    longer: float = 0.0
    sided: int = 0
    first: float = 0.0
    known: int = 0
    critiques: int = 0
    short: Counter[str] = field(default_factory=Counter)
    """Short critiques by what they say."""

    def add(self, row: Row) -> None:
        balance, columns = self.balance, row.columns
        balance.rows += 1
        balance.languages[row.lang] += 1
        balance.answers += row.raters
        balance.simulated += row.simulated
        self.say(columns)
        balance.turned += bool(row.notes.get("turned"))
        if "rejected" not in columns or columns.get("tie") or row.notes.get("turned"):
            return
        self.sided += 1
        more = len(columns["chosen"][0]["content"].strip()) - len(columns["rejected"][0]["content"].strip())
        self.longer += 1.0 if more > 0 else 0.0 if more < 0 else 0.5
        if (seen := columns.get("chosen_first")) is not None:
            self.first += seen
            self.known += 1
        if (strength := columns.get("strength")) is not None:
            balance.strengths[int(strength + 0.5)] += 1
        if len(row.models) == 2 and row.models[0] != row.models[1]:
            for name, won in zip(row.models, (1, 0), strict=True):
                of, chosen = balance.models.get(name, (0, 0))
                balance.models[name] = (of + 1, chosen + won)

    def say(self, columns: Mapping[str, Any]) -> None:
        task = columns.get("task")
        self.balance.verdicts += task == "verdict"
        if task != "critique":
            return
        self.critiques += 1
        said = columns["completion"][0]["content"].strip()
        if len(said) <= SHORT and (said in self.short or len(self.short) < DIFFERENT):
            self.short[said] += 1

    def done(self) -> Balance:
        self.balance.drawn = self.balance.rows
        for said, times in self.short.most_common(1):
            if times >= REPEATED and times >= REPEATED_SHARE * self.critiques:
                self.balance.repeated = (said, times / self.critiques)
        self.balance.longer = self.longer / self.sided if self.sided else None
        self.balance.first = self.first / self.known if self.known else None
        return self.balance


class Diversity:
    """Prompt diversity of Song et al. 2024: sqrt(#prompts) x distinct bigrams / all bigrams.

    Bigrams are of tokens inside each prompt, which is cut at 512 tokens and has its earlier turns joined. For prompts
    a b c, a b d and x y: sqrt(3) x 4 / 5 = 1.385641.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.prompts, self.total = 0, 0
        self.bigrams = Sorted(folder, np.int64, once=True)

    def add(self, prompts: Iterable[Sequence[int]]) -> None:
        for ids in prompts:
            cut = np.asarray(ids[:CUT], dtype=np.int64)
            self.prompts += 1
            self.total += max(cut.size - 1, 0)
            self.bigrams.add((cut[:-1] << 32) | cut[1:])

    def value(self) -> float | None:
        """None without a bigram."""
        distinct = sum(np.unique(some).size for some in self.bigrams)
        return float(np.sqrt(self.prompts) * distinct / self.total) if self.total else None


class Smallest:
    """Of things that come one by one, those with the smallest keys: drawn at random where keys are digests."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.heap: list[tuple[int, int, Any]] = []
        self.seen = 0

    def offers(self, key: int) -> bool:
        return len(self.heap) < self.size or -key > self.heap[0][0]

    def add(self, key: int, thing: Any) -> None:
        self.seen += 1
        (heappush if len(self.heap) < self.size else heappushpop)(self.heap, (-key, -self.seen, thing))

    def things(self) -> list[Any]:
        return [thing for _, _, thing in sorted(self.heap, key=lambda one: (-one[0], -one[1]))]


def notices(
    balance: Balance, *, splits: Mapping[str, int], lengths: Lengths | None = None, flips: float | None = None,
    duplicates: int = 0, clusters: int = 0, prompts: int = 0,
) -> list[Notice]:  # fmt: skip
    """Warnings first, then what was looked at and is fine."""
    found = [*simulated(balance), *longer(balance), *sides(balance), *one_model(balance), *repeated(balance)]
    total = sum(splits.values())
    if total and total < FEW:
        text = "Figures on the held-out part will have wide intervals. Collect more answers."
        found.append(Notice("few", "warn", f"{total:,} rows are few", text))
    if total and not splits.get("held_out"):
        text = "No figure on this data can tell whether a model learnt or remembered. Hold out a share of the prompts."
        found.append(Notice("no_held_out", "warn", "Nothing is held out", text))
    if flips is not None and total and flips / total > 0.3:
        title = f"About {flips / total:.0%} of the rows may be the wrong way round"
        text = "Few raters, disagreement, or weak accuracy on known answers. Ask another rater on the likeliest ones."
        found.append(Notice("flips", "warn", title, text))
    if lengths and lengths.empty * 20 > lengths.drawn and not balance.verdicts:
        text = f"{lengths.empty:,} of {lengths.drawn:,} rows have an answer of fewer than {NEARLY_EMPTY} tokens."
        found.append(Notice("short", "warn", "Some answers are nearly empty", text))
    if duplicates > 0.1 * (total + duplicates):
        text = "The same texts came more than once; the first is kept. Look at how the items were made."
        found.append(Notice("duplicates", "warn", f"{duplicates:,} rows were there already", text))
    if splits.get("held_out") and splits.get("train"):
        text = f"{prompts:,} prompts in {clusters:,} groups; each group is on one side."
        found.append(Notice("overlap", "ok", "No prompt is in both parts", text))
    return sorted(found, key=lambda one: one.level != "warn")


def simulated(balance: Balance) -> list[Notice]:
    if not balance.simulated:
        return []
    share = balance.simulated / max(balance.answers, 1)
    return [Notice("simulated", "warn", f"{share:.0%} of the answers are simulated",
                   f"{balance.simulated:,} of the {balance.answers:,} answers are simulated annotators'.")]  # fmt: skip


def longer(balance: Balance) -> list[Notice]:
    if balance.longer is None:
        return []
    share = max(balance.longer, 1 - balance.longer)
    side = "Longer" if balance.longer > 0.5 else "Shorter"
    if share >= 0.6:
        return [Notice("longer", "warn", f"{side} answers win {share:.0%} of the time",
                       "Length alone may be learnt. Look at a length-controlled win rate after training."
                       + as_decided(balance))]  # fmt: skip
    return [
        Notice(
            "longer",
            "ok",
            "Lengths are balanced",
            f"The longer answer is the chosen one in {balance.longer:.1%} of the rows." + as_decided(balance),
        )
    ]


def as_decided(balance: Balance) -> str:
    return " Counted once a pair, as raters decided it; the rows have it both ways round." * bool(balance.turned)


def sides(balance: Balance) -> list[Notice]:
    if balance.first is None:
        return []
    words = f"The chosen answer was shown first in {balance.first:.1%} of the rows." + as_decided(balance)
    if abs(balance.first - 0.5) > 0.1:
        return [Notice("first", "warn", "One side wins more often", words + " Raters may lean to a side.")]
    return [Notice("first", "ok", "Sides are balanced", words)]


def repeated(balance: Balance) -> list[Notice]:
    if balance.repeated is None:
        return []
    said, share = balance.repeated
    return [Notice("repeated", "warn", f"{share:.0%} of the critiques say only “{said}”",
                   "The same short text again and again is seldom a critique: a failed tool may have written it. "
                   "Look at where these answers come from before training.")]  # fmt: skip


def one_model(balance: Balance) -> list[Notice]:
    for name, (rows, won) in balance.models.items():
        if rows >= FEW and rows > balance.rows / 2 and won / rows > 0.85:
            return [Notice("model", "warn", f"{name or 'A person'} wins {won / rows:.0%} of its rows",
                           "A model may learn who wrote the text instead of what is better.")]  # fmt: skip
    return []
