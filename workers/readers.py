"""From rows of a dataset to rows of tokens: one reader a type of rows, which says why a row cannot be learned from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from workers.modeling import Messages, completion_ids, prompt_ids
from workers.pairs import PreferencePair, fate_of, token_pair
from workers.training.edits import TokenEdit
from workers.training.groups import TokenGroup
from workers.training.joint import JointPair
from workers.training.texts import TokenText
from workers.training.unpaired import TokenAnswer

Columns = Mapping[str, Any]

REASONS = {
    "same": "with the same tokens on both sides",
    "empty": "with a side without a token",
    "too_long": "longer than {max_tokens} tokens",
    "no_weight": "of weight 0, which the recipe lets teach nothing",
    "tie": "that are ties, which say nothing about what to write",
    "task": "of tasks that this run does not take",
    "one_sided": "whose responses that fit are all to be made likelier, or all less likely",
}
SHORTENED = {"responses": "responses of groups are longer than {max_tokens} tokens, and left out of them"}


class OtherTokenizer(ValueError):
    """Rows hold token ids of a tokenizer that is not the model's."""


@dataclass(frozen=True)
class Reader:
    """`read` gives a row of tokens, or a key of REASONS."""

    row_type: str  # a key of curate.rows.ROW_TYPES
    read: Callable[[Columns], Any]
    prompt: str = "prompt"  # the column that a model is asked with
    shortened: Counter[str] = field(default_factory=Counter)
    """A key of SHORTENED -> what was left out of rows that are used without it."""


@dataclass
class Read:
    """What became of the rows of one split. `keys` and `asked`: the prompt of each row in `rows`."""

    rows: list[Any]
    keys: list[str]
    asked: list[Messages]
    left_out: Counter[str]
    shortened: Counter[str] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        return len(self.rows) + self.left_out.total()

    def sentence(self, split: str, *, max_tokens: int) -> str:
        """Nothing is left out in silence."""
        words = [f"{count:,} {REASONS[name]}" for name, count in self.left_out.items()]
        out = f"; left out: {', '.join(words)}".format(max_tokens=f"{max_tokens:,}") if words else ""
        less = "".join(f"; {count:,} {SHORTENED[name]}" for name, count in self.shortened.items())
        less = less.format(max_tokens=f"{max_tokens:,}")
        return f"{split}: {self.count:,} rows read, {len(self.rows):,} used{out}{less}"


def read_rows(reader: Reader, rows: Iterable[Columns]) -> Read:
    found = Read([], [], [], Counter())
    before = reader.shortened.copy()
    for row in rows:
        one = reader.read(row)
        if isinstance(one, str):
            found.left_out[one] += 1
            continue
        found.rows.append(one)
        found.keys.append(row["prompt_key"])
        found.asked.append(row[reader.prompt])
    found.shortened = reader.shortened - before
    return found


def pairs(tokenizer: Any, *, max_tokens: int, ties: bool, margins: bool) -> Reader:
    """`ties`: learn from pairs that were judged equal too. The two orders of a tie, of half the weight each, are always
    taken: together they ask for equal rewards.
    """

    def read(row: Columns) -> Any:
        weight = 1.0 if row["weight"] is None else float(row["weight"])
        if row["tie"] and weight == 1.0 and not ties:
            return "tie"
        pair = token_pair(
            tokenizer,
            PreferencePair(
                messages=row["prompt"], chosen=text_of(row["chosen"]), rejected=text_of(row["rejected"]),
                chosen_finished=row["chosen_finished"], rejected_finished=row["rejected_finished"],
                margin=row["margin"] if margins else 0.0, tie=row["tie"], weight=weight,
            ),
        )  # fmt: skip
        fate = fate_of(pair, max_tokens)
        return pair if fate == "used" else fate

    return Reader("preference", read)


def texts(tokenizer: Any, *, max_tokens: int, tasks: Iterable[str] = ()) -> Reader:
    """`tasks`: only rows that teach one of these; empty takes all."""
    wanted = frozenset(tasks)

    def read(row: Columns) -> Any:
        if wanted and row["task"] not in wanted:
            return "task"
        weight = 1.0 if row["weight"] is None else float(row["weight"])
        if weight <= 0:
            return "no_weight"
        one = TokenText(ids(tokenizer, row["prompt"]), written(tokenizer, row["completion"]), weight=weight)
        return fitting(one, len(one.completion), one.tokens, max_tokens)

    return Reader("sft", read)


def answers(tokenizer: Any, *, max_tokens: int) -> Reader:
    def read(row: Columns) -> Any:
        one = TokenAnswer(ids(tokenizer, row["prompt"]), written(tokenizer, row["completion"]), bool(row["label"]))
        return fitting(one, len(one.completion), one.tokens, max_tokens)

    return Reader("unpaired", read)


def joint(tokenizer: Any, *, max_tokens: int, instructions: bool) -> Reader:
    """`instructions`: what is likely is the prompt together with its response, as in the paper's own runs."""

    def read(row: Columns) -> Any:
        if row["tie"]:
            return "tie"
        sides = [
            (ids(tokenizer, row[f"prompt_{side}"]), written(tokenizer, row[side])) for side in ("chosen", "rejected")
        ]
        longest = max(len(prompt) + len(text) for prompt, text in sides)
        shortest = min(len(text) for _, text in sides)
        if sides[0] == sides[1]:
            return "same"
        if instructions:
            sides = [(prompt[:1], (*prompt[1:], *text)) for prompt, text in sides]
        return fitting(JointPair(*sides[0], *sides[1]), shortest, longest, max_tokens)

    return Reader("joint", read, prompt="prompt_chosen")


def groups(tokenizer: Any, *, max_tokens: int) -> Reader:
    """Members that do not fit are left out, and counted, and the row where no positive or no negative one is left."""
    shortened: Counter[str] = Counter()

    def read(row: Columns) -> Any:
        prompt = ids(tokenizer, row["prompt"])
        sides = dict.fromkeys(row["negative"], False) | dict.fromkeys(row["positive"], True)
        members = [
            (tuple(completion_ids(tokenizer, row["responses"][place], True)), float(row["scores"][place]), positive)
            for place, positive in sorted(sides.items())
        ]
        fit = [one for one in members if len(prompt) + len(one[0]) <= max_tokens]
        if not fit:
            return "too_long"
        if len({positive for _, _, positive in fit}) < 2:
            return "one_sided" if len(fit) == len(members) else "too_long"
        if dropped := len(members) - len(fit):
            shortened["responses"] += dropped
        responses, scores, positive = zip(*fit, strict=True)
        return TokenGroup(prompt, responses, scores, positive)

    return Reader("group", read, shortened=shortened)


def edits(tokenizer: Any, *, max_tokens: int, model: str) -> Reader:
    """The ids were written with the dataset's tokenizer; raises OtherTokenizer where the model's would write others."""

    def read(row: Columns) -> Any:
        expected = written(tokenizer, [{"content": row["revised"]}])
        if tuple(row["revised_ids"]) != expected:
            raise OtherTokenizer(
                f"The rows hold tokens of {row['tokenizer']}, and {model} reads others. Train a model with that "
                "tokenizer, or build the dataset again with its tokenizer set to this model."
            )
        one = TokenEdit(
            ids(tokenizer, row["prompt"]), tuple(row["original_ids"]), tuple(map(float, row["original_weights"])),
            tuple(row["revised_ids"]), tuple(map(float, row["revised_weights"])),
        )  # fmt: skip
        longest = len(one.prompt) + max(len(one.original), len(one.revised))
        return fitting(one, min(len(one.original), len(one.revised)), longest, max_tokens)

    return Reader("edit", read)


def fitting(row: Any, shortest: int, longest: int, max_tokens: int) -> Any:
    if not shortest:
        return "empty"
    return "too_long" if longest > max_tokens else row


def ids(tokenizer: Any, messages: Messages) -> tuple[int, ...]:
    return tuple(prompt_ids(tokenizer, messages))


def text_of(messages: Messages) -> str:
    return messages[0]["content"]


def written(tokenizer: Any, messages: Messages) -> tuple[int, ...]:
    """A completion that ended its turn."""
    return tuple(completion_ids(tokenizer, text_of(messages), True))
