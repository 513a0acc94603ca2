"""manage.py judge_report and length_controlled on files as people have them, good and bad."""

import json
from pathlib import Path

import numpy as np
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

BIAS_BENCH = Path("/work/shared/data/offsetbias/biasbench.json")
DECISIONS = "item,subset,label,first,second\n"
JUDGED = "model,index,preference,length,baseline_length\n"


@pytest.fixture
def run(tmp_path, capsys):
    def command(name: str, content: str, *arguments: str, json_too: bool = True):
        path = tmp_path / "file.csv"
        path.write_text(content, encoding="utf-8")
        call_command(name, str(path), *arguments, *(["--json"] if json_too else []))
        said = capsys.readouterr().out
        return json.loads(said) if json_too else said

    return command


def test_a_judge_that_always_says_a(run):
    """Choice 1 in the given order is 2 after swapping, mapped back: right once in every item."""
    rows = "".join(f"{i},{'x' if i < 30 else 'y'},{1 + i % 2},1,2\n" for i in range(80))
    report = run("judge_report", DECISIONS + rows)
    for part in (report["overall"], *report["subsets"].values()):
        assert (part["single_accuracy"], part["pair_accuracy"], part["agreement"]) == (0.5, 0, 0)
        assert (part["unparseable"], part["first_slot"]) == (0, 1)
        assert part["single_accuracy_low"] < 0.5 < part["single_accuracy_high"]
        assert part["pair_accuracy_high"] > 0
    assert [report["subsets"][name]["n"] for name in ("x", "y")] == [30, 50]


@pytest.mark.skipif(not BIAS_BENCH.exists(), reason=f"EvalBiasBench is not in {BIAS_BENCH}")
def test_longer_is_better_on_evalbiasbench(run):
    cases = [case for cases in json.loads(BIAS_BENCH.read_text()).values() for case in cases]
    rows = ""
    for i, case in enumerate(cases):
        choice = 1 if len(case["response1"]) > len(case["response2"]) else 2
        rows += f"{i},{case['bias']},1,{choice},{choice}\n"
    report = run("judge_report", DECISIONS + rows)
    assert report["overall"]["n"] == 80
    assert report["overall"]["single_accuracy"] == report["overall"]["pair_accuracy"] == 21 / 80
    assert report["overall"]["agreement"] == 1
    assert sorted(part["n"] for part in report["subsets"].values()) == [12, 12, 12, 13, 14, 17]


def test_ties_and_what_cannot_be_read_are_wrong_and_counted(run):
    """Item by item: both right; right and a tie; right and unreadable; two ties; both wrong."""
    rows = "1,s,1,1.0,1\n2,s,2,2,0\n3,s,1,,1\n4,s,1,0,0\n5,s,2,1,1\n"
    found = run("judge_report", DECISIONS + rows)["overall"]
    assert found["single_accuracy"] == pytest.approx(4 / 10)
    assert found["pair_accuracy"] == pytest.approx(1 / 5)
    assert found["agreement"] == pytest.approx(2 / 5), "two ties choose nothing"
    assert (found["unparseable"], found["ties"], found["n"]) == (1, 3, 5)


def test_a_file_without_subsets_and_a_readable_table(run):
    text = "item,label,first,second\n1,1,1,1\n2,2,1,2\n"
    assert run("judge_report", text)["subsets"] == {}
    assert run("judge_report", text, json_too=False).splitlines()[1].split()[:2] == ["overall", "0.750"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("1,s,3,1,1\n", "Line 2 has '3' in the column 'label'. It may be 1, 2."),
        ("1,s,1,1,1\n2,s,1,A,1\n", "Line 3 has 'A' in the column 'first'. It may be 1, 2, 0 or nothing."),
        ("1,s,1,nan,1\n", "Line 2 has 'nan'"),
        ("1,s,1,1,1\n1,s,1,1,1\n", "Lines 2 and 3 are the same item, s, 1."),
        (",s,1,1,1\n", "Line 2 has nothing in the column 'item'"),
    ],
)
def test_what_is_wrong_with_decisions_is_said(run, rows, said):
    with pytest.raises(CommandError, match=said):
        run("judge_report", DECISIONS + rows)


def judged(name, seed, *, items=120, shift=0.0, weight="", difficulty=True, quality=-0.4):
    """Rows of a model whose judge is drawn to longer answers."""
    rng = np.random.default_rng(seed)
    hard, baseline = np.linspace(-2, 2, items), 400 + 10 * (np.arange(items) % 37)
    length = np.maximum(1, baseline + rng.normal(shift, 200, items).astype(int))
    gap = length - baseline
    pull = 1.5 * np.tanh(gap / gap.std(ddof=1)) + 0.8 * hard + quality + rng.normal(0, 0.5, items)
    preference = 1 / (1 + np.exp(-pull))
    ends = [f",{hard[i]!s}" if difficulty else "" for i in range(items)]
    return "".join(f"{name},{i},{preference[i]!s},{length[i]},{baseline[i]}{ends[i]},{weight}\n" for i in range(items))


FULL = JUDGED.strip() + ",difficulty,weight\n"


def test_each_model_is_fitted_with_those_that_share(run):
    shared = judged("verbose", 1, shift=150, weight=0.1, quality=0) + judged("concise", 2, shift=-150, weight=0.1)
    long, short = judged("long", 3, shift=200), judged("short", 4, shift=-100)
    both = run("length_controlled", FULL + long + shared + short, "--bootstrap", "20")
    assert both["sharing_the_fit"] == ["verbose", "concise"]
    rows = {row["model"]: row for row in both["models"]}
    assert list(rows) == ["long", "short"]
    alone = run("length_controlled", FULL + shared + long, "--bootstrap", "20")
    assert alone["models"] == [rows["long"]], "a second model to be rated is no part of the first one's fit"
    unshared = run("length_controlled", FULL + long, "--bootstrap", "20")["models"][0]
    assert unshared["win_rate"] == rows["long"]["win_rate"]
    assert unshared["lc_win_rate"] != rows["long"]["lc_win_rate"]


def test_a_longer_model_loses_what_length_gave_it(run):
    row = run("length_controlled", FULL + judged("long", 5, shift=250), "--bootstrap", "50")["models"][0]
    assert row["lc_win_rate"] < row["win_rate"] - 5
    assert row["lc_low"] < row["lc_win_rate"] < row["lc_high"]
    assert row["low"] < row["win_rate"] < row["high"]
    assert row["C"] in [pytest.approx(c) for c in np.logspace(-4, 4, 10)]
    assert row["length_coefficient"] > 0


def test_win_rate_and_standard_error_are_of_what_can_be_read(run):
    values = [0.0, 1.0, 0.5, 0.25, 0.75, 1.0]
    rows = "".join(f"m,{i},{value},{10 + i},12\n" for i, value in enumerate(values)) + "m,x,,11,12\n"
    row = run("length_controlled", JUDGED + rows, "--bootstrap", "0")["models"][0]
    assert row["win_rate"] == pytest.approx(100 * np.mean(values))
    assert row["standard_error"] == pytest.approx(100 * np.std(values, ddof=1) / np.sqrt(6))
    assert (row["unparseable"], row["n"], row["lc_low"]) == (1, 6, None)


def test_equal_lengths_and_even_preferences_are_half(run):
    rows = "".join(f"m,{i},0.5,10,10\n" for i in range(20))
    row = run("length_controlled", JUDGED + rows, "--bootstrap", "0")["models"][0]
    assert row["lc_win_rate"] == row["win_rate"] == 50


def test_a_readable_table_of_win_rates(run):
    text = run(
        "length_controlled", FULL + judged("m", 1) + judged("v", 2, weight=0.1), "--bootstrap", "5", json_too=False
    )
    assert text.splitlines()[1].split()[0] == "m"
    assert text.splitlines()[-1] == "1 model with weights shared each fit: v."


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (JUDGED + "m,1,1.2,3,4\n", "Line 2 has '1.2' in the column 'preference'. It needs a number from 0 to 1."),
        (JUDGED + "m,1,NaN,3,4\n", "Line 2 has 'NaN'"),
        (JUDGED + "m,1,0.2,,4\n", "Line 2 has '' in the column 'length'"),
        (JUDGED + "m,1,0.2,3,4\nm,1,0.3,3,4\n", "Lines 2 and 3 are the same model and index, m, 1"),
        (JUDGED + "m,1,0.2,3,4\nm,2,0.3,3,4\n", "m: 2 judgements cannot be parted into 5 folds"),
        (JUDGED + "".join(f"m,{i},,3,4\n" for i in range(9)), "m: 0 judgements"),
        (FULL + judged("v", 1, items=6, weight=0.1), "no model to be rated"),
        (FULL + "m,1,1,3,4,0,1\nm,2,1,3,4,0,0.1\n", "Line 2: m has the weight 1 here and others elsewhere"),
        ("model,index,preference,length\nm,1,1,3\n", "no column 'baseline_length'"),
    ],
)
def test_what_is_wrong_with_judged_answers_is_said(run, content, said):
    with pytest.raises(CommandError, match=said):
        run("length_controlled", content)
