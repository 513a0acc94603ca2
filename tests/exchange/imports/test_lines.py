"""A line comes in whole or not at all, and what is wrong names the line that it does not go with."""

import json
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Project
from annotate.models import Feedback, Prompt, Response, Task
from exchange.imports.base import Becomes, Mapping
from exchange.imports.check import check
from exchange.imports.formats import FORMATS
from exchange.imports.outcome import Outcome
from exchange.imports.write import write

pytestmark = pytest.mark.django_db
COLUMNS = {"prompt": "prompt", "a": "response:a", "b": "response:b", "won": "winner", "user_id": "rater", "id": "key"}


def bring_in(folder: Path, project: Project, rows: list[dict[str, Any]], *, format: str = "jsonl",
             **options: Any) -> Outcome:  # fmt: skip
    path = folder / "f.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    mapping = Mapping(columns={k: Becomes.parse(v) for k, v in COLUMNS.items()}, source="s",
                      raters=options.pop("raters", "auto"))  # fmt: skip
    counted = check(path, FORMATS[format], mapping, project, **options)
    done = write(path, FORMATS[format], mapping, project, None, on_bad="skip", **options)
    assert (counted.counts, counted.problems) == (done.counts, done.problems)
    return done


def row(prompt: str, who: str = "ann", **more: Any) -> dict[str, Any]:
    return {"prompt": prompt, "a": "x", "b": "y", "won": "a", "user_id": who, **more}


def record(prompt: str, *people: str, **metadata: str) -> dict[str, Any]:
    """A line of Argilla: what several people said of one item."""
    won = [{"user_id": one, "value": "a", "status": "submitted"} for one in people]
    return {"fields": {"prompt": prompt, "a": "x", "b": "y"}, "metadata": metadata, "responses": {"won": won}}


def test_a_repeated_vote_names_the_line_of_the_first(tmp_path: Path, project: Project) -> None:
    done = bring_in(tmp_path, project, [row("q1"), row("q2"), row("q2", "ben"), row("q2")])
    (problem,) = done.problems
    assert (problem.line, problem.column) == (4, "rater")
    assert "ann answered about this item on line 2 already" in problem.what
    assert Feedback.objects.count() == 3


def test_a_key_with_another_text_names_the_line_of_the_first(tmp_path: Path, project: Project) -> None:
    done = bring_in(tmp_path, project, [row("q0", id="k0"), row("q1", id="k1"), row("another", id="k1")])
    assert "The key k1 was used on line 2, with another text" in done.problems[0].what


def test_one_wrong_record_leaves_out_its_whole_line(tmp_path: Path, project: Project) -> None:
    lines = [record("q1", "ann"), record("q1", "ben", "cy", "ann"), record("q2", "dan")]
    done = bring_in(tmp_path, project, lines, format="argilla")
    assert [(one.line, one.what.split(" on ")[1].split(" already")[0]) for one in done.problems] == [(2, "line 1")]
    assert (done.written, done.skipped) == (2, 1)
    names = Feedback.objects.order_by("pk").values_list("annotator__first_name", flat=True)
    assert list(names) == ["ann", "dan"]
    assert set(Task.objects.values_list("wanted", "claimed", "answered")) == {(1, 1, 1)}


def test_a_line_that_is_left_out_leaves_no_prompt_or_answer(tmp_path: Path, project: Project) -> None:
    rows = [{**row("same"), "b": "x"}, row("fine")]
    done = bring_in(tmp_path, project, rows, raters="none", as_tasks=True)
    assert done.skipped == 1
    assert [one.text for one in Prompt.objects.all()] == ["fine"]
    assert Response.objects.count() == 2


def test_a_refused_line_does_not_stand_in_the_way_of_a_right_one(tmp_path: Path, project: Project) -> None:
    lines = [record("q1", "ann"), record("q1", "ben", "ann"), record("q1", "ben")]
    done = bring_in(tmp_path, project, lines, format="argilla")
    assert [one.line for one in done.problems] == [2]
    assert Feedback.objects.count() == 2
