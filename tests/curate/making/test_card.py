"""What a card warns of: short answers, critiques that all say the same, and sides that are balanced by construction."""

from typing import Any

from curate.making.card import Balance, Tally, lengths_of, notices
from curate.pages.preview_charts import length_title, mean
from curate.rows import PREFERENCE, SFT, Row, assistant, user


class Words:
    """Counts words, where a tokenizer would count tokens."""

    name = "words"

    def counts(self, texts: list[str]) -> list[int]:
        return [len(one.split()) for one in texts]


def taught(text: str, task: str, **values: Any) -> Row:
    columns = {"prompt": user("Rate it."), "completion": assistant(text), "weight": 1.0, "task": task}
    return Row(columns, "p-1", "en", (1,), raters=1, **values)


def compared(chosen: str, rejected: str, *, turned: bool = False) -> Row:
    columns = {
        "prompt": user("Which?"), "chosen": assistant(chosen), "rejected": assistant(rejected), "tie": False,
        "strength": 2.0, "chosen_first": 1.0,
    }  # fmt: skip
    return Row(columns, "p-1", "en", (1,), ("a", "b"), 1, notes={"turned": turned})


def tallied(*rows: Row) -> Balance:
    tally = Tally()
    for one in rows:
        tally.add(one)
    return tally.done()


def keys(balance: Balance, texts: list[list[str]] | None = None) -> set[str]:
    lengths = lengths_of(texts, SFT, Words(), of=len(texts)) if texts else None  # type: ignore[arg-type]
    return {one.key for one in notices(balance, splits={"train": 900, "held_out": 300}, lengths=lengths)
            if one.level == "warn"}  # fmt: skip


def test_a_mean_is_of_the_tokens_and_not_of_their_bins() -> None:
    lengths = lengths_of([["a b", "1"], ["a b c", "2"]], SFT, Words(), of=2)  # type: ignore[arg-type]
    assert (mean(lengths, 0), mean(lengths, 1), mean(lengths, 2)) == (2.5, 1.0, None)
    assert length_title(lengths, ("completion", "")) == "Completion has 1.0 tokens in the mean"


def test_an_earlier_card_has_only_the_middles_of_its_bins() -> None:
    lengths = lengths_of([["a b", "1"]], SFT, Words(), of=1)  # type: ignore[arg-type]
    lengths.means = []
    assert mean(lengths, 1) == 4.0


def test_answers_are_nearly_empty_unless_they_are_verdicts() -> None:
    texts = [["a b c d e f", "4"]] * 20
    assert "short" in keys(tallied(*[taught("4", "answer")] * 20), texts)
    assert "short" not in keys(tallied(*[taught("4", "verdict")] * 20), texts)


def test_critiques_that_say_the_same_short_thing_are_warned_of() -> None:
    rows = [taught(f"The {n}th step adds where it should multiply.", "critique") for n in range(80)]
    broken = tallied(*rows, *[taught(" $ERROR$ ", "critique")] * 16)
    assert broken.repeated == ("$ERROR$", 16 / 96)
    found = [one for one in notices(broken, splits={"train": 96}) if one.key == "repeated"]
    assert found[0].title == "17% of the critiques say only “$ERROR$”"
    for fine in (tallied(*rows), tallied(*rows, *[rows[0]] * 3), tallied(*[taught("$ERROR$", "answer")] * 90)):
        assert fine.repeated is None and "repeated" not in keys(fine)


def test_a_pair_that_is_there_both_ways_round_is_counted_as_it_was_decided() -> None:
    one, other = compared("longer text", "short"), compared("short", "longer text", turned=True)
    balance = tallied(one, other)
    assert (balance.rows, balance.longer, balance.first, balance.turned) == (2, 1.0, 1.0, 1)
    assert balance.models == {"a": (1, 1), "b": (1, 0)}
    words = {one.key: one.text for one in notices(balance, splits={"train": 2})}
    assert words["longer"].endswith("the rows have it both ways round.")
    assert PREFERENCE.texts[1] == "chosen"
