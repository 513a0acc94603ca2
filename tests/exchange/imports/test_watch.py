"""What a check finds in each column: made columns, texts that repeat, and ratings that are a yes or no."""

import json
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Project
from annotate.models import Feedback, Protocol
from exchange.imports.base import Becomes, Mapping
from exchange.imports.check import check
from exchange.imports.detect import detect, guessed_mapping
from exchange.imports.formats import FORMATS
from exchange.imports.outcome import Check, ColumnCheck
from exchange.imports.write import write

pytestmark = pytest.mark.django_db
PAIR = {"prompt": "prompt", "a": "response:a", "b": "response:b"}


def file(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "f.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def mapped(**roles: str) -> Mapping:
    return Mapping(columns={name: Becomes.parse(role) for name, role in (PAIR | roles).items()}, source="s")


def looked(path: Path, mapping: Mapping, project: Project) -> Check:
    return check(path, FORMATS["jsonl"], mapping, project)


def by_name(found: Check) -> dict[str, ColumnCheck]:
    return {one.name: one for one in found.columns}


def test_a_column_that_the_format_makes_says_of_what_it_is_made(tmp_path: Path, project: Project) -> None:
    row = {"instruction": "q", "input": "", "response1": "x", "response2": "y", "cmp_key": "bloom-7b_llama-7b",
           "annotator1": 0, "annotator2": 1, "annotator3": 2}  # fmt: skip
    path = file(tmp_path, [row, row | {"instruction": "q2", "cmp_key": "opt-7b_llama-7b"}])
    format, _ = detect(path)[0]
    assert format.slug == "pandalm"
    found = by_name(check(path, format, guessed_mapping(path, format), project))
    assert (found["model_a"].verdict, found["model_a"].words) == ("fits", "2 models, made from cmp_key")
    assert found["cmp_key"].words == "read into model_a and model_b"
    assert (found["input"].verdict, found["input"].words) == ("look", "empty in every line")


def test_values_of_each_rater_are_counted_where_a_line_holds_several(tmp_path: Path, project: Project) -> None:
    record = {
        "fields": {"prompt": "q", "response_1": "x", "response_2": "y"},
        "responses": [
            {"user_id": name, "status": "submitted", "values": {"choice": {"value": value}}}
            for name, value in (("ann", "response_1"), ("ben", "response_2"))
        ],
    }
    path = file(tmp_path, [record])
    format, _ = detect(path)[0]
    assert format.slug == "argilla"
    mapping = guessed_mapping(path, format)
    found = by_name(check(path, format, mapping, project))
    assert found["user_id"].words == "2 raters, made while reading"
    assert (found["choice"].words, found["choice"].verdict) == ("2 values, made while reading", "fits")


def test_the_same_critique_again_and_again_is_told(tmp_path: Path, project: Project) -> None:
    rows = [{"prompt": f"q{n}", "a": "x", "said": "FAILED" if n < 5 else f"Too short by {n} words."} for n in range(50)]
    mapping = Mapping(columns={n: Becomes.parse(r) for n, r in
                               {"prompt": "prompt", "a": "response:a", "said": "critique"}.items()})  # fmt: skip
    (note,) = [one for one in looked(file(tmp_path, rows), mapping, project).notes if "same text" in one]
    assert note.startswith("said is the same text in 5 lines: “failed”.")
    few = looked(file(tmp_path, rows[1:]), mapping, project).notes
    assert not [one for one in few if "same text" in one]


def test_a_yes_or_no_of_each_answer_is_a_selection(tmp_path: Path, project: Project) -> None:
    rows = [
        {"prompt": "q1", "a": "x", "b": "y", "won": "a", "fa": "yes", "fb": "no"},
        {"prompt": "q2", "a": "x", "b": "y", "won": "b", "fa": "no", "fb": "no"},
        {"prompt": "q3", "a": "x", "b": "y", "won": "b", "fa": "no", "fb": None},
    ]
    mapping = mapped(won="winner", fa="fits:a", fb="fits:b")
    path = file(tmp_path, rows)
    found = looked(path, mapping, project)
    assert [(one.line, "of some answers whether they fit" in one.what) for one in found.problems] == [(3, True)]
    assert {one.text: one.means for one in by_name(found)["fa"].values} == {"yes": "good", "no": "bad"}
    write(path, FORMATS["jsonl"], mapping, project, None, on_bad="skip")
    given = Feedback.objects.filter(kind="selection").order_by("task__prompt__key")
    assert [(one.value, one.step) for one in given] == [({"fits": [0]}, 1), ({"none": True}, 1)]


def test_a_yes_or_no_that_was_made_a_rating_is_asked_about(tmp_path: Path, project: Project) -> None:
    rows = [{"prompt": f"q{n}", "a": "x", "b": "y", "fa": "yes", "fb": "no"} for n in range(3)]
    rows += [{"prompt": "q9", "a": "x", "b": "y", "fa": "no", "fb": "yes"}]
    mapping = mapped(fa="rating:a:fine(no=1, yes=5)", fb="rating:b:fine(no=1, yes=5)")
    path = file(tmp_path, rows)
    notes = [one for one in looked(path, mapping, project).notes if "two values" in one]
    assert [one.split(",")[0] for one in notes] == ["fa has two values", "fb has two values"]
    write(path, FORMATS["jsonl"], mapping, project, None)
    (dimension,) = Protocol.objects.get().steps[0]["options"]["rubric"]["dimensions"]
    assert dimension["levels"] == ["no", *["not a level of the file"] * 3, "yes"]
