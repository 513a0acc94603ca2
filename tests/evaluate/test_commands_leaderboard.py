"""manage.py leaderboard on the files that people have, and on those that they should not have."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import evalica
import numpy as np
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from scipy.optimize import minimize

ROOT = Path(__file__).resolve().parents[2]
VOTES = Path("/work/shared/data/llmfao/crowd-comparisons.csv")
needs_votes = pytest.mark.skipif(not VOTES.exists(), reason=f"the public votes are not in {VOTES}")
POINTS = 400 / np.log(10)
SCORES = {"left": 1.0, "right": 0.0, "tie": 0.5}
KINDS = {"left": evalica.Winner.X, "right": evalica.Winner.Y, "tie": evalica.Winner.Draw}


@pytest.fixture
def file(tmp_path):
    def write(content: str | bytes) -> str:
        path = tmp_path / "battles.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


@pytest.fixture
def run(capsys):
    """Run the command on a file; what it prints, parsed where it is JSON."""

    def command(path: object, *arguments: str, columns: str = "left right winner", json_too: bool = True):
        left, right, winner = columns.split()
        named = ["--left", left, "--right", right, "--winner", winner]
        call_command("leaderboard", str(path), *named, *arguments, *(["--json"] if json_too else []))
        said = capsys.readouterr()
        return json.loads(said.out) if json_too else said.out

    return command


def made(seed=0, n=600, style=0.0):
    """Lines of a file of battles of four models, one in ten a tie; longer answers win more with style."""
    rng = np.random.default_rng(seed)
    strength = {"a": 0.9, "b": 0.3, "c": 0.0, "d": -0.8}
    lines = ["left,right,winner,length_left,length_right"]
    for _ in range(n):
        one, two = rng.choice(list(strength), size=2, replace=False)
        x, y = rng.integers(20, 900, size=2)
        gap = strength[one] - strength[two] + style * (x - y) / (x + y + 1)
        won = "left" if rng.random() < 1 / (1 + np.exp(-gap)) else "right"
        lines.append(f"{one},{two},{'tie' if rng.random() < 0.1 else won},{x},{y}")
    return "\n".join(lines)


def of(text: str):
    return list(csv.DictReader(text.splitlines()))


def direct_fit(rows):
    """The likelihood of each vote by itself, maximised by a general optimiser; log-strengths with mean 0."""
    names = sorted({row[side] for row in rows for side in ("left", "right")})
    left, right = (np.array([names.index(row[side]) for row in rows]) for side in ("left", "right"))
    scores = np.array([SCORES[row["winner"]] for row in rows])

    def loss(strength):
        gap = strength[left] - strength[right]
        surprise = scores - 1 / (1 + np.exp(-gap))
        slope = np.bincount(left, surprise, len(names)) - np.bincount(right, surprise, len(names))
        return (scores * np.logaddexp(0, -gap) + (1 - scores) * np.logaddexp(0, gap)).sum(), -slope

    found = minimize(loss, np.zeros(len(names)), jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 5000}).x
    return dict(zip(names, found - found.mean(), strict=True))


@needs_votes
def test_public_votes_are_rated_as_a_direct_fit_does(run):
    rows = list(csv.DictReader(VOTES.open()))
    board = run(VOTES, "--bootstrap", "0", "--scale", "none")
    assert (board["battles"], len(board["models"])) == (8931, 59)
    assert {row["model"]: row["rating"] for row in board["models"]} == pytest.approx(direct_fit(rows), abs=1e-6)
    theirs = evalica.bradley_terry(
        [row["left"] for row in rows], [row["right"] for row in rows], [KINDS[row["winner"]] for row in rows],
        tolerance=1e-14, limit=100_000,
    ).scores  # fmt: skip
    ours = {row["model"]: row["score"] for row in board["models"]}
    assert ours == pytest.approx((theirs / theirs.sum()).to_dict(), abs=1e-6)
    assert sum(ours.values()) == pytest.approx(1)


@needs_votes
def test_ratings_of_public_votes_have_intervals_and_the_seed_decides_them(run):
    first, again, other = (run(VOTES, "--bootstrap", "200", "--seed", seed) for seed in ("1", "1", "2"))
    assert first == again
    assert first != other
    assert all(row["low"] < row["rating"] < row["high"] for row in first["models"])
    assert np.mean([row["rating"] for row in first["models"]]) == pytest.approx(1000)


def test_two_models_have_a_closed_form(run, file):
    """30 wins, 6 losses, 4 ties: odds of 32 to 8, and Wilson's interval of 32 of 40."""
    path = file("l,r,w\n" + "x,y,1\n" * 20 + "y,x,2\n" * 10 + "x,y,2\n" * 6 + "y,x,draw\n" * 4)
    values = ["--left-value", "1", "--right-value", "2", "--tie-value", "draw"]
    board = run(path, *values, columns="l r w")
    best, worst = board["models"]
    assert (best["model"], best["battles"], best["win_rate"]) == ("x", 40, 0.8)
    assert best["rating"] - worst["rating"] == pytest.approx(400 * np.log10(4))
    assert (best["win_rate_low"], best["win_rate_high"]) == pytest.approx((0.652, 0.895), abs=1e-3)
    assert "score" not in best
    shares = run(path, *values, "--scale", "none", columns="l r w")["models"]
    assert [row["score"] for row in shares] == pytest.approx([0.8, 0.2])
    assert shares[0]["score_low"] < 0.8 < shares[0]["score_high"]


def test_the_anchor_has_its_points_in_every_resample(run, file):
    path = file(made())
    plain, moved = run(path), run(path, "--anchor", "c=1114")
    anchored = {row["model"]: row for row in moved["models"]}
    assert anchored["c"]["low"] == anchored["c"]["rating"] == anchored["c"]["high"] == 1114
    free = {row["model"]: row["rating"] for row in plain["models"]}
    for name in "abd":
        assert anchored[name]["rating"] - 1114 == pytest.approx(free[name] - free["c"])


def test_several_ties_and_rows_to_skip(run, file, capsys):
    text = "left,right,winner\na,b,left\nb,a,left\na,b,tie\na,b,both bad\na,b,unsure\n"
    values = ["--tie-value", "tie", "--tie-value", "both bad", "--skip-value", "unsure"]
    assert run(file(text), *values)["battles"] == 4
    with pytest.raises(CommandError, match="Line 6 has 'unsure' in the column 'winner'"):
        run(file(text), *values[:4])


@pytest.mark.parametrize("method", ["elo", "newman", "pagerank", "average-win-rate", "counting"])
def test_other_methods_are_evalicas(run, file, method):
    text = made(n=200)
    rows = of(text)
    function = getattr(evalica, method.replace("-", "_"))
    settings = {"tolerance": 1e-9, "limit": 10_000} if method in {"newman", "pagerank"} else {}
    left, right, winners = ([row[column] for row in rows] for column in ("left", "right", "winner"))
    theirs = function(left, right, [KINDS[winner] for winner in winners], **settings).scores
    board = run(file(text), "--method", method, "--bootstrap", "50")
    assert {row["model"]: row["rating"] for row in board["models"]} == pytest.approx(theirs.to_dict(), rel=1e-6)
    assert all(row["low"] < row["high"] for row in board["models"])


def test_style_control_takes_length_out_of_the_ratings(run, file):
    path = file(made(seed=3, n=4000, style=1.5))
    board = run(path, "--style", "length", "--bootstrap", "100", "--scale", "none")
    (feature,) = board["style"]
    assert feature["feature"] == "length"
    assert 0 < feature["low"] < feature["value"] < feature["high"]
    named = run(path, "--style", "long=length_left:length_right", "--bootstrap", "100", "--scale", "none")
    assert named["models"] == board["models"]


def test_a_readable_table(run, file):
    text = run(file(made()), "--bootstrap", "100", "--style", "length", json_too=False)
    lines = text.splitlines()
    assert lines[0] == "600 battles of 4 models, bradley-terry"
    assert lines[2].split() == ["model", "rating", "95%", "interval", "win", "rate", "95%", "interval", "battles"]
    assert [line.split()[0] for line in lines[3:7]] == ["a", "b", "c", "d"]
    assert "log-odds" in text


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        ("", [], "is empty"),
        ("left,right,winner\n", [], "no rows below"),
        ("left,right,won\na,b,left\n", [], "no column 'winner'. Its columns are: left, right, won"),
        ("left,right,winner\na,b,left\na,b,Left\n", [], "Line 3 has 'Left' in the column 'winner'"),
        ("left,right,winner\na,b,\n", [], "Line 2 has '' in the column 'winner'"),
        ("left,right,winner\na,b,left\n,b,left\n", [], "Line 3 has nothing in the column 'left'"),
        ("left,right,winner\na,b,left\na,b\n", [], "Line 3 of .* has 2 cells and the header has 3"),
        ('left,right,winner\na,b,left\n"a,b,left\n', [], "begins in line 3 .* cut off"),
        ("left,right,winner\na,a,left\n", [], "Line 2 has 'a' on both sides"),
        ("left,left,winner,right\na,b,left,c\n", [], "more than one column 'left'"),
        (b"left,right,winner\na,b,left\na,\xe9,left\n", [], "not UTF-8 in line 3"),
        ("left,right,winner\na,b,left\nb,a,left\nc,d,left\nd,c,left\n", [], "2 groups .* a, b; c, d"),
        ("left,right,winner\na,b,left\nb,c,left\nc,b,left\n", [], "a win or a tie from a, .*--prior 0.5"),
        ("left,right,winner\na,b,left\nb,a,left\n", ["--anchor", "z=1"], "z, the anchor, has no battles"),
        ("left,right,winner\na,b,left\nb,a,left\n", ["--style", "heads"], "no columns for the feature 'heads'"),
        ("left,right,winner,n\na,b,left,NaN\nb,a,left,2\n", ["--style", "n"], "Line 2 has 'NaN' in the column 'n'"),
        ("left,right,winner,n\na,b,left,2\nb,a,left,2\n", ["--style", "n"], "the same in every battle"),
        ("left,right,winner\na,b,left\nb,a,left\n", ["--tie-value", "left"], "'left' is given for two outcomes"),
        ("left,right,winner\na,b,left\nb,a,left\n", ["--method", "newman", "--anchor", "a=1"], "newman are none"),
        ("left,right,winner\na,b,left\nb,a,left\n", ["--encoding", "nope"], "no encoding nope"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(run, file, content, arguments, said):
    with pytest.raises(CommandError, match=said):
        run(file(content), *arguments)


def test_a_file_that_is_not_there(run, tmp_path):
    with pytest.raises(CommandError, match="There is no file"):
        run(tmp_path / "none.csv")


def test_a_model_that_wins_everything_has_a_rating_with_a_prior(run, file):
    board = run(file("left,right,winner\na,b,left\nb,c,left\nc,b,left\n"), "--prior", "0.5")
    assert board["models"][0]["model"] == "a"
    assert all(np.isfinite([row["low"], row["rating"], row["high"]]).all() for row in board["models"])


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_and_the_mark_of_excel(run, file, delimiter):
    text = made(n=50)
    expected = run(file(text))
    assert run(file("\ufeff" + text.replace(",", delimiter))) == expected


def test_nothing_runs_and_nothing_is_started(file, tmp_path):
    """No database, no broker, no data folder: the command reads its file and prints."""
    home = tmp_path / "home"
    environment = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "CELERY_BROKER_URL"}}
    done = subprocess.run(
        [sys.executable, "manage.py", "leaderboard", "-", "--left", "left", "--right", "right", "--winner", "winner",
         "--bootstrap", "10", "--json"],
        input=made(n=60), env=environment | {"PALATE_HOME": str(home)}, cwd=ROOT, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["models"]) == 4
    assert not (home / "postgres").exists()
