"""What a trainer would read: the tokens of each row, what is left out, and what looks wrong about it.

The mistakes that no loss curve shows: an end-of-turn token that is missing or there twice, a beginning token that the
template and the tokenizer both write, prompts that are in both splits, answers that are chosen because they are long.
Uses the trainers' own functions to turn texts into tokens. No Django; no torch of its own.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workers.modeling import completion_ids, prompt_ids

SAMPLES = 3
LARGEST_LEFT_OUT = 0.05
"""Share of the training rows that may be left out without somebody saying so."""
REASONS = {
    "empty": "a text without a token",
    "same": "both texts are the same tokens",
    "too_long": "longer than max_tokens",
}


@dataclass(frozen=True)
class Side:
    """A text that is read after a prompt. `finished`: it ended its turn, so an end-of-turn token follows."""

    name: str
    prompt: Sequence[dict[str, str]]
    text: str
    finished: bool = True


def sides_of(row: Mapping[str, Any]) -> list[Side]:
    """The texts of a row of any type, by its columns (see curate.rows)."""
    if "prompt_chosen" in row:
        return [
            Side(name, row[f"prompt_{name}"], row[name][0]["content"]) for name in ("chosen", "rejected")
        ]  # fmt: skip
    if "chosen" in row:
        return [
            Side(name, row["prompt"], row[name][0]["content"], row[f"{name}_finished"])
            for name in ("chosen", "rejected")
        ]
    if "completion" in row:
        return [Side("completion", row["prompt"], row["completion"][0]["content"])]
    if "responses" in row:
        return [Side("response", row["prompt"], text) for text in row["responses"]]
    return [Side(name, row["prompt"], row[name]) for name in ("original", "revised")]


@dataclass
class Split:
    """Counts of one split. Lengths are tokens of each row: of its longest prompt, and of its first and last text."""

    rows: int = 0
    used: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    bos: Counter[int] = field(default_factory=Counter)
    """How many beginning tokens a text's sequence begins with -> texts."""
    eos: Counter[str] = field(default_factory=Counter)
    """one, none (it was cut), several, inside -> texts."""
    prompt_lengths: list[int] = field(default_factory=list)
    first_lengths: list[int] = field(default_factory=list)
    last_lengths: list[int] = field(default_factory=list)
    prompts: set[bytes] = field(default_factory=set)
    repeated: int = 0
    """Rows that are the same tokens as an earlier one of the split."""
    samples: list[dict[str, Any]] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        """Of all that is used, prompts read once for each text."""
        return sum(self.first_lengths) + sum(self.last_lengths) + 2 * sum(self.prompt_lengths)


def examine_split(tokenizer: Any, rows: Iterable[Mapping[str, Any]], *, max_tokens: int) -> Split:
    found, seen = Split(), set()
    for row in rows:
        found.rows += 1
        sides = sides_of(row)
        read = [
            (prompt_ids(tokenizer, side.prompt), completion_ids(tokenizer, side.text, side.finished)) for side in sides
        ]
        if why := fate(read, max_tokens):
            found.left_out[why] += 1
            continue
        found.used += 1
        for prompt, completion in read:
            count_ends(found, tokenizer, prompt, completion)
        found.prompts.update(digest(prompt) for prompt, _ in read)
        whole = digest([token for prompt, completion in read for token in (*prompt, -1, *completion, -1)])
        found.repeated += whole in seen
        seen.add(whole)
        found.prompt_lengths.append(max(len(prompt) for prompt, _ in read))
        found.first_lengths.append(len(read[0][1]))
        found.last_lengths.append(len(read[-1][1]))
        if len(found.samples) < SAMPLES:
            found.samples.append({"sides": [shown(tokenizer, s.name, *r) for s, r in zip(sides, read, strict=True)]})
    return found


def fate(read: Sequence[tuple[list[int], list[int]]], max_tokens: int) -> str:
    """Why a row is left out; empty where it is used."""
    if not all(completion for _, completion in read):
        return "empty"
    if len(read) == 2 and read[0] == read[1]:
        return "same"
    return "too_long" if max(len(prompt) + len(completion) for prompt, completion in read) > max_tokens else ""


def count_ends(found: Split, tokenizer: Any, prompt: list[int], completion: list[int]) -> None:
    bos, eos, whole = tokenizer.bos_token_id, tokenizer.eos_token_id, [*prompt, *completion]
    begins = 0
    while bos is not None and begins < len(whole) and whole[begins] == bos:
        begins += 1
    found.bos[begins] += 1
    inside = completion[:-1].count(eos)
    ends = completion[-1:] == [eos]
    found.eos["several" if inside and completion[-2:] == [eos, eos] else "inside" if inside else
              "one" if ends else "none"] += 1  # fmt: skip


def shown(tokenizer: Any, name: str, prompt: list[int], completion: list[int], most: int = 160) -> dict[str, Any]:
    """(id, text, whether it is learned) of each token; of a long sequence its beginning and its end."""
    tokens = [(one, False) for one in prompt] + [(one, True) for one in completion]
    cut = max(len(tokens) - most, 0)
    if cut:
        tokens = [*tokens[: most // 2], *tokens[-most // 2 :]]
    return {
        "name": name, "cut": cut, "prompt": len(prompt), "completion": len(completion),
        "tokens": [
            *([one, tokenizer.decode([one]), learned] for one, learned in tokens[: most // 2 if cut else None]),
            *([[None, " … ", False]] if cut else []),
            *([one, tokenizer.decode([one]), learned] for one, learned in (tokens[most // 2 :] if cut else [])),
        ],
    }  # fmt: skip


def digest(tokens: Sequence[int]) -> bytes:
    return hashlib.blake2b(repr(tuple(tokens)).encode(), digest_size=16).digest()


# --- What is said about it ------------------------------------------------------------------------------------------


def report(tokenizer: Any, splits: Mapping[str, Split], *, max_tokens: int) -> dict[str, Any]:
    """Plain values for a page. `findings`: (level, sentence), level bad where the run is refused, else warn or good."""
    train = splits["train"]
    held_out = splits.get("held_out", Split())
    both = train.prompts & held_out.prompts
    findings = [*of_ends(tokenizer, train), *of_rows(train, max_tokens), *of_lengths(train)]
    if held_out.used:
        findings.append(
            ("warn", f"{len(both):,} prompts are in both splits: what is measured on them was trained on")
            if both
            else ("good", "No prompt is in both splits")
        )
    else:
        findings.append(("warn", "There is no held-out row: nothing will say how good the model is"))
    return {
        "findings": [list(one) for one in findings],
        "max_tokens": max_tokens, "left_out_share": share_left_out(train.left_out, train.rows),
        "splits": {
            name: {
                "rows": one.rows, "used": one.used, "left_out": dict(one.left_out), "repeated": one.repeated,
                "tokens": one.tokens, "bos": {str(n): count for n, count in sorted(one.bos.items())},
                "eos": dict(one.eos), "samples": one.samples,
            }
            for name, one in splits.items()
        },
        "lengths": lengths(train),
        "both_splits": len(both),
        "pad_is_eos": tokenizer.pad_token_id == tokenizer.eos_token_id,
        "bos_token": tokenizer.bos_token, "eos_token": tokenizer.eos_token,
    }  # fmt: skip


def share_left_out(left_out: Mapping[str, int], rows: int) -> float:
    return sum(left_out.values()) / rows if rows else 0.0


def too_much_left_out(left_out: Mapping[str, int], rows: int) -> str | None:
    """Why a run is refused unless somebody allows it; None where enough is used. `left_out`: reason -> rows."""
    share = share_left_out(left_out, rows)
    if share <= LARGEST_LEFT_OUT:
        return None
    return (
        f"{share:.0%} of the {rows:,} training rows would be left out ({reasons(left_out)}), more than "
        f"{LARGEST_LEFT_OUT:.0%}. Raise max_tokens, or tick allow_left_out to train on the others."
    )


def reasons(left_out: Mapping[str, int]) -> str:
    """The commonest first."""
    ordered = sorted(left_out.items(), key=lambda one: -one[1])
    return ", ".join(f"{count:,} {REASONS[name]}" for name, count in ordered)


def of_rows(found: Split, max_tokens: int) -> list[tuple[str, str]]:
    if refused := too_much_left_out(found.left_out, found.rows):
        return [("bad", refused)]
    if found.left_out:
        lost = sum(found.left_out.values())
        return [("warn", f"{lost:,} of {found.rows:,} rows are left out: {reasons(found.left_out)}")]
    return [("good", f"All {found.rows:,} rows fit into {max_tokens:,} tokens; nothing is cut")]


def of_ends(tokenizer: Any, found: Split) -> list[tuple[str, str]]:
    said: list[tuple[str, str]] = []
    texts = sum(found.eos.values())
    if twice := sum(count for begins, count in found.bos.items() if begins > 1):
        said.append(("bad", f"{twice:,} of {texts:,} texts begin with {tokenizer.bos_token} twice"))
    if wrong := found.eos["several"] + found.eos["inside"]:
        said.append(("warn", f"{wrong:,} of {texts:,} texts hold {tokenizer.eos_token} before their end"))
    if cut := found.eos["none"]:
        said.append(
            ("warn" if cut > texts / 2 else "good",
             f"{cut:,} of {texts:,} texts were cut: they do not end their turn, and none is learned")
        )  # fmt: skip
    if found.eos["one"]:
        said.append(("good", f"{found.eos['one']:,} of {texts:,} texts end with {tokenizer.eos_token}, once"))
    return said


def of_lengths(found: Split) -> list[tuple[str, str]]:
    """Whether the first text (the chosen one) tends to be longer: what else a model may learn from the pairs."""
    if found.first_lengths == found.last_lengths or not found.used:
        return []
    longer = sum(a > b for a, b in zip(found.first_lengths, found.last_lengths, strict=True))
    unequal = sum(a != b for a, b in zip(found.first_lengths, found.last_lengths, strict=True))
    share = longer / unequal if unequal else 0.5
    # Two standard errors around a half: beyond them the lengths say something about which is better.
    skewed = unequal > 0 and abs(share - 0.5) > max(0.1, 1 / unequal**0.5)
    name = found.samples[0]["sides"][0]["name"].capitalize()
    words = f"{name} is the longer one in {share:.0%} of {unequal:,} rows of unequal length"
    return [("warn", f"{words}: a model may learn the length alone") if skewed else ("good", words)]


def lengths(found: Split, bins: int = 24) -> dict[str, Any]:
    """Histograms of whole sequences: prompt and first text, prompt and last."""
    first = [p + c for p, c in zip(found.prompt_lengths, found.first_lengths, strict=True)]
    last = [p + c for p, c in zip(found.prompt_lengths, found.last_lengths, strict=True)]
    width = max(1, -(-max([*first, *last, 1]) // bins))

    def counted(values: list[int]) -> list[int]:
        counts = Counter(value // width for value in values)
        return [counts[place] for place in range(max(counts, default=-1) + 1)]

    names = [found.samples[0]["sides"][at]["name"] for at in (0, -1)] if found.samples else ["text", "text"]
    return {"bin": width, "first": counted(first), "last": [] if first == last else counted(last), "names": names}
