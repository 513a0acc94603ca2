"""What becomes of lines: values as the kinds store them, sides, raters, joined prompts, open tasks, models."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from accounts.models import AuditEvent, Project, User
from annotate import services
from annotate.desk.answers import asked_of
from annotate.models import Assignment, Feedback, Prompt, Response, Task
from curate.making import source
from evaluate.benchmarks import position
from exchange.exports.people import People
from exchange.exports.sources import answers
from exchange.imports import read_tables
from exchange.imports.base import Becomes, Mapping, Problem
from exchange.imports.check import check
from exchange.imports.detect import columns, detect, guessed_mapping
from exchange.imports.formats import FORMATS
from exchange.imports.outcome import Outcome
from exchange.imports.write import write
from registry.forms import names_of
from registry.models import ModelVersion
from registry.references import NotThere, model_named
from registry.specs.export import ExportSpec
from tests.factories import make_model, make_prompt, make_raters, make_response, make_task

pytestmark = pytest.mark.django_db
PAIR = {"prompt": "prompt", "a": "response:a", "b": "response:b"}


def bring_in(
    tmp_path: Path,
    project: Project,
    rows: list[dict[str, Any]],
    roles: dict[str, str],
    *,
    name: str = "f.jsonl",
    **options: Any,
) -> Outcome:
    path = tmp_path / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = {key: options.pop(key) for key in ("raters", "rater_name", "models", "tags", "lang") if key in options}
    mapping = Mapping(columns={key: Becomes.parse(role) for key, role in roles.items()}, source="study one", **said)
    counted = check(path, FORMATS["jsonl"], mapping, project, **{k: v for k, v in options.items() if k != "on_bad"})
    done = write(path, FORMATS["jsonl"], mapping, project, None, **options)
    assert counted.counts == done.counts
    return done


def test_words_of_a_winner_are_strengths_of_the_kind(tmp_path: Path, project: Project) -> None:
    words = {
        "a": 2,
        "b": -2,
        "tie": 0,
        "model_a": 2,
        "A>>B": 3,
        "b-is-slightly-better": -1,
        "tie (bothbad)": None,
        "1": 2,
    }
    rows = [{"prompt": f"q{n}", "a": "x", "b": "y", "won": word} for n, word in enumerate(words)]
    bring_in(tmp_path, project, rows, {**PAIR, "won": "winner"})
    found = {one.task.prompt.text: one for one in Feedback.objects.all()}
    for number, preference in enumerate(words.values()):
        one = found[f"q{number}"]
        assert one.preference == preference
        assert one.value == ({"both_bad": True} if preference is None else {"strength": preference})
        assert (one.origin, one.order, one.kind, one.step) == ("imported", [0, 1], "pairwise", 0)


def test_the_same_pair_the_other_way_round_is_the_same_item(tmp_path: Path, project: Project) -> None:
    rows = [
        {"prompt": "q", "a": "x", "b": "y", "won": "a3", "who": "ann"},
        {"prompt": "q", "a": "y", "b": "x", "won": "a3", "who": "ben"},
    ]
    bring_in(tmp_path, project, rows, {**PAIR, "won": "winner(a3=a3)", "who": "rater"})
    task = Task.objects.get()
    assert (task.wanted, task.claimed, task.answered) == (2, 2, 2)
    ann, ben = Feedback.objects.order_by("annotator__first_name")
    assert (ann.order, ann.value, ann.preference) == ([0, 1], {"strength": 3}, 3)
    assert (ben.order, ben.value, ben.preference) == ([1, 0], {"strength": 3}, -3)


def test_ratings_make_a_rubric_whose_preference_follows(tmp_path: Path, project: Project) -> None:
    rows = [
        {"prompt": "q", "a": "x", "b": "y", "fa": 5, "fb": 2, "ta": "4", "tb": 4.0, "who": "ann", "note": "because"}
    ]
    roles = {"fa": "rating:a:Fluency", "fb": "rating:b:Fluency", "ta": "rating:a:tone", "tb": "rating:b:tone",
             "who": "rater", "note": "comment"}  # fmt: skip
    bring_in(tmp_path, project, rows, PAIR | roles)
    one = Feedback.objects.get()
    assert one.value == {"ratings": [{"fluency": 5, "tone": 4}, {"fluency": 2, "tone": 4}]}
    assert (one.kind, one.preference, one.comment) == ("rubric", 2, "because")
    steps = one.task.protocol.steps
    assert [dimension["name"] for dimension in steps[0]["options"]["rubric"]["dimensions"]] == ["Fluency", "tone"]


def test_steps_of_one_line_are_answers_of_one_assignment(tmp_path: Path, project: Project) -> None:
    rows = [
        {"prompt": "q", "a": "The sky.", "b": "y", "won": "b", "help": 2, "bad": "Too short.", "new": "The blue sky.",
         "who": "ann", "at": "2024-05-01T10:00:00Z", "took": 12.5},
    ]  # fmt: skip
    roles = {"won": "winner", "help": "rating:a:help", "bad": "critique", "new": "edited", "who": "rater",
             "at": "answered_at", "took": "seconds"}  # fmt: skip
    bring_in(tmp_path, project, rows, PAIR | roles)
    assignment = Assignment.objects.get()
    given = list(Feedback.objects.order_by("step"))
    assert [(one.kind, one.step, one.order) for one in given] == [
        ("pairwise", 0, [0, 1]), ("rubric", 1, [0]), ("critique", 2, [0]), ("edit", 3, [0]),
    ]  # fmt: skip
    assert given[2].value["weaknesses"] == "Too short."
    assert given[3].value == {"text": "The blue sky.", "cost": 1, "accepted": False}
    assert (given[0].created_at.isoformat(), given[0].active_ms) == ("2024-05-01T10:00:00+00:00", 12_500)
    for one in given:  # the page of an answer can ask each of these steps again
        assert asked_of(assignment, step=one.step).step.kind.slug == one.kind


def test_good_and_bad_are_selections_of_one_answer(tmp_path: Path, project: Project) -> None:
    rows = [{"prompt": "q1", "a": "x", "ok": True}, {"prompt": "q2", "a": "y", "ok": False}]
    bring_in(tmp_path, project, rows, {"prompt": "prompt", "a": "response:a", "ok": "label"})
    assert [one.value for one in Feedback.objects.order_by("task__prompt__key")] == [{"fits": [0]}, {"none": True}]


def test_raters_are_people_of_their_own_a_project_and_source(tmp_path: Path, project: Project) -> None:
    other = Project.objects.create(name="Other", slug="other")
    row = {"prompt": "q", "a": "x", "b": "y", "won": "a", "who": "Ann O'Neil"}
    for place in (project, other):
        bring_in(tmp_path, place, [row], {**PAIR, "won": "winner", "who": "rater"})
    ann, second = User.objects.filter(is_external=True)
    assert ann.first_name == second.first_name == "Ann O'Neil"
    assert ann.username != second.username
    assert not ann.is_active
    assert not ann.has_usable_password()
    assert not ann.check_password("!imported")


def test_votes_without_names_are_numbered_an_item(tmp_path: Path, project: Project) -> None:
    rows = [{"prompt": q, "a": "x", "b": "y", "won": won} for q in ("q1", "q2") for won in ("a", "b", "a")]
    done = bring_in(tmp_path, project, rows, {**PAIR, "won": "winner"})
    assert (done.counts.raters, done.counts.items, done.counts.votes) == (3, 2, 6)
    assert set(User.objects.values_list("first_name", flat=True)) == {"rater 1", "rater 2", "rater 3"}
    assert set(Task.objects.values_list("wanted", "claimed", "answered")) == {(3, 3, 3)}


def test_one_rater_or_none(tmp_path: Path, project: Project) -> None:
    rows = [{"prompt": "q", "a": "x", "b": "y", "won": "a"}]
    bring_in(tmp_path, project, rows, {**PAIR, "won": "winner"}, raters="none")
    assert (Feedback.objects.count(), Response.objects.count()) == (0, 2)
    bring_in(tmp_path, project, rows, {**PAIR, "won": "winner"}, raters="one", rater_name="Crowd")
    assert Feedback.objects.get().annotator.first_name == "Crowd"
    assert Response.objects.count() == 2


def test_prompts_join_by_key_and_by_text(tmp_path: Path, project: Project) -> None:
    keyed = make_prompt(project, "k-1", messages=[{"role": "user", "content": "By key"}])
    told = make_prompt(project, "k-2", messages=[{"role": "user", "content": "By text"}])
    known = make_response(told, "x")
    rows = [{"prompt": "By text", "a": "x", "b": "y"}, {"prompt": "New", "a": "x", "b": "y"}]
    done = bring_in(tmp_path, project, rows, PAIR)
    assert (done.counts.joined_by_text, done.counts.prompts) == (1, 1)
    assert (done.counts.responses, done.counts.responses_known) == (3, 1)
    assert set(told.responses.values_list("text", flat=True)) == {"x", "y"}
    assert told.responses.filter(pk=known.pk).exists()
    done = bring_in(tmp_path, project, [{"id": "k-1", "prompt": "By key"}], {"prompt": "prompt", "id": "key"})
    assert (done.counts.joined_by_key, done.counts.prompts) == (1, 0)
    assert Prompt.objects.filter(pk=keyed.pk).exists()


def test_numbered_keys_go_on_from_the_largest(tmp_path: Path, project: Project) -> None:
    make_prompt(project, "prompt-99999")
    bring_in(tmp_path, project, [{"prompt": "one"}, {"prompt": "two"}], {"prompt": "prompt"})
    assert set(Prompt.objects.values_list("key", flat=True)) == {"prompt-99999", "prompt-100000", "prompt-100001"}


def test_pairs_become_open_tasks_once_and_are_given_out(tmp_path: Path, project: Project) -> None:
    rows = [{"prompt": "q1", "a": "x", "b": "y", "lang": "pt_BR"}, {"prompt": "q2", "a": "x", "b": "y", "lang": ""}]
    roles = {**PAIR, "lang": "lang"}
    for _ in range(2):
        bring_in(tmp_path, project, rows, roles, as_tasks=True, wanted=2)
    assert set(Task.objects.values_list("prompt__messages__0__content", "wanted", "claimed", "lang")) == {
        ("q1", 2, 0, "pt-BR"), ("q2", 2, 0, "en"),
    }  # fmt: skip
    assert set(Task.objects.values_list("place", flat=True)) != {0.0}
    (rater,) = make_raters(project, 1)
    given = services.next_assignment(project=project, annotator=rater)
    assert given is not None
    assert [one.response.text for one in given.task.task_responses.all()] == ["x", "y"]


def test_what_has_no_text_or_no_choice_is_no_open_task(tmp_path: Path, project: Project) -> None:
    rows = [{"q": "7", "left": "m1", "right": "m2"}]
    done = bring_in(tmp_path, project, rows, {"q": "key", "left": "model:a", "right": "model:b"}, as_tasks=True)
    assert (done.counts.without_text, Task.objects.count()) == (2, 0)
    same = [{"prompt": "q", "a": "x", "b": "x "}]
    assert bring_in(tmp_path, project, same, PAIR, as_tasks=True, on_bad="skip").skipped == 1


def test_imported_votes_leave_open_tasks_of_the_project_alone(tmp_path: Path, project: Project) -> None:
    task = make_task(project, texts=("x", "y"))
    row = {"prompt": task.prompt.text, "a": "x", "b": "y", "won": "a"}
    bring_in(tmp_path, project, [row], {**PAIR, "won": "winner"})
    task.refresh_from_db()
    assert (task.wanted, task.claimed) == (1, 0)
    assert Feedback.objects.get().task_id != task.pk
    assert Response.objects.count() == 2


def test_models_of_a_file_have_no_weights_and_are_offered_nowhere(tmp_path: Path, project: Project) -> None:
    base = make_model(project, "base")
    rows = [{"prompt": "q", "a": "x", "b": "y", "won": "a", "ma": "org/GPT 4.1", "mb": "mine"}]
    roles = {**PAIR, "won": "winner", "ma": "model:a", "mb": "model:b"}
    done = bring_in(tmp_path, project, rows, roles, models={"mine": "base"})
    assert (done.counts.models, done.counts.models_new) == (2, 1)
    made = ModelVersion.objects.get(format="outputs")
    assert (made.name, made.config) == ("org-gpt-4-1", {"name_in_file": "org/GPT 4.1"})
    assert made.get_absolute_url()
    assert set(Response.objects.values_list("text", "model__name")) == {("x", made.name), ("y", base.name)}
    assert names_of("policy", project) == names_of("base", project) == ["base"]
    with pytest.raises(NotThere, match="has no weights here"):
        model_named(project, made.name, role="policy")


def test_an_import_is_in_the_audit_log(tmp_path: Path, project: Project, researcher: User) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text('{"prompt": "q"}\n')
    write(path, FORMATS["jsonl"], Mapping({"prompt": Becomes("prompt")}), project, researcher)
    event = AuditEvent.objects.get(action="import.made")
    assert (event.actor, event.target, event.data["lines"], event.data["prompts"]) == (researcher, "f.jsonl", 1, 1)


def test_what_a_column_becomes_goes_through_text_and_back() -> None:
    for text in ("prompt", "response:b", "winner", "winner:ann(left=a, 2=b)", "rating:a:tone(no=1, yes=5)", "skip"):
        assert str(Becomes.parse(text)) == text
    mapping = Mapping({"x": Becomes.parse("winner(left=a)")}, raters="one", models={"a": "b"}, tags=["t"])
    assert Mapping.from_json(json.loads(json.dumps(mapping.as_json()))) == replace(mapping, tags=["t"])
    for text in ("nothing", "response", "rating:a", "prompt:x"):
        with pytest.raises(ValueError, match=r"becom|needs|does not fit|write"):
            Becomes.parse(text)


def test_a_mapping_that_makes_no_record_says_what_is_missing(tmp_path: Path, project: Project) -> None:
    with pytest.raises(ValueError, match="No column becomes the prompt"):
        bring_in(tmp_path, project, [{"a": "x"}], {"a": "response:a"})
    with pytest.raises(ValueError, match="both become prompt"):
        bring_in(tmp_path, project, [{"a": "x"}], {"a": "prompt", "b": "prompt"})


def test_menlo_rows_are_rated_on_their_dimensions(tmp_path: Path, project: Project) -> None:
    row = {"lang_code": "de_DE", "raw_prompt": "Warum?", "response_a": "x", "response_b": "y", "fluency_a": 5,
           "fluency_b": 3, "tone_a": 4, "tone_b": 4, "annotator_id": "u1"}  # fmt: skip
    path = tmp_path / "menlo.jsonl"
    path.write_text(json.dumps(row) + "\n")
    format, _ = detect(path)[0]
    assert format.slug == "menlo"
    write(path, format, guessed_mapping(path, format), project, None)
    one = Feedback.objects.get()
    assert one.value == {"ratings": [{"fluency": 5, "tone": 4}, {"fluency": 3, "tone": 4}]}
    assert (one.preference, one.task.lang) == (1, "de-DE")


ARENA = {"question_id": "x1", "model_a": "m1", "model_b": "m2", "winner": "tie (bothbad)", "judge": "user_1",
         "language": "German", "tstamp": 1_700_000_000.5}  # fmt: skip


def test_arena_battles_share_the_prompt_of_both_conversations(tmp_path: Path, project: Project) -> None:
    turns = [{"role": "user", "content": "Hi"}]
    row = ARENA | {f"conversation_{side}": [*turns, {"role": "assistant", "content": side}] for side in "ab"}
    path = tmp_path / "arena.json"
    path.write_text(json.dumps([row], indent=1))
    format, _ = detect(path)[0]
    assert format.slug == "arena"
    write(path, format, guessed_mapping(path, format), project, None)
    one = Feedback.objects.get()
    assert (one.value, one.annotator.first_name, one.task.lang) == ({"both_bad": True}, "user_1", "de")
    assert (one.task.prompt.text, one.created_at.year) == ("Hi", 2023)


ARGILLA = {
    "version 2": {"id": "1", "fields": {"prompt": "q", "response_a": "x", "response_b": "y"}, "metadata": {},
                  "responses": {"preference": [{"value": "b", "user_id": "u1", "status": "submitted"},
                                               {"value": "a", "user_id": "u2", "status": "draft"}]}},
    "version 1": {"fields": {"prompt": "q", "response_a": "x", "response_b": "y"},
                  "responses": [{"user_id": "u1", "status": "submitted", "values": {"preference": {"value": "b"}}}]},
    "hub": {"prompt": "q", "response_a": "x", "response_b": "y",
            "preference": [{"user_id": "u1", "value": "b", "status": "submitted"}]},
}  # fmt: skip


@pytest.mark.parametrize("name", ARGILLA)
def test_argilla_answers_are_votes_of_those_who_submitted(name: str, tmp_path: Path, project: Project) -> None:
    path = tmp_path / "argilla.jsonl"
    path.write_text(json.dumps(ARGILLA[name]) + "\n")
    format, _ = detect(path)[0]
    assert format.slug == "argilla"
    write(path, format, guessed_mapping(path, format), project, None)
    one = Feedback.objects.get()
    assert (one.annotator.first_name, one.preference, one.task.prompt.text) == ("u1", -2, "q")


def test_nobody_knows_what_a_label_was_shown_first(tmp_path: Path, project: Project) -> None:
    """Chosen and rejected say what is better. As sides they would be a voter who always takes the first."""
    path = tmp_path / "pairs.jsonl"
    start = "\n\nHuman: {}?\n\nAssistant: "
    pairs = [{"chosen": f"{start.format(n)}yes {n}", "rejected": f"{start.format(n)}no"} for n in range(5)]
    path.write_text("".join(json.dumps(one) + "\n" for one in pairs))
    format, _ = detect(path)[0]
    assert write(path, format, guessed_mapping(path, format), project, None).counts.votes == 5
    assert source.read_answers(project, ("pairwise",), compares=True, two_prompts=False).first.tolist() == [-1] * 5
    assert position.run(project) == []
    spec = ExportSpec(what="answers")
    rows = list(answers.source(project, spec, People(project, spec.people)).rows())
    assert [row["chosen_shown_first"] for row in rows] == [None] * 5
    assert {row["chosen"] for row in rows} == {f"yes {n}" for n in range(5)}


def test_a_parquet_file_of_a_text_that_repeats_is_no_bomb(tmp_path: Path) -> None:
    """A kilobyte that stands for two gigabytes: a text of 2 MB, 1,000 times; and one row that is too large."""
    import tracemalloc

    import pyarrow as pa
    import pyarrow.parquet as pq

    def written(texts: list[str], places: list[int]) -> Path:
        column = pa.DictionaryArray.from_arrays(pa.array(places, pa.int32()), pa.array(texts))
        pq.write_table(pa.table({"prompt": column}), tmp_path / "f.parquet", compression="zstd", store_schema=False)
        return tmp_path / "f.parquet"

    path = written(["x" * 2_000_000], [0] * 1_000)
    assert path.stat().st_size < 10_000
    tracemalloc.start()
    rows = sum(1 for _, row, _ in read_tables.parquet_rows(path) if len(row["prompt"]) == 2_000_000)  # type: ignore[index]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows == 1_000
    assert peak < 100_000_000
    found = [line for _, line, _ in read_tables.parquet_rows(written(["a", "x" * 17_000_000], [0, 1, 0]))]
    assert found[0] == found[2] == {"prompt": "a"}
    assert isinstance(found[1], Problem) and "17 million characters" in found[1].what and found[1].line == 2


def test_parquet_and_excel_come_in_like_jsonl(tmp_path: Path, project: Project) -> None:
    import openpyxl
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"prompt": f"q{n}", "response_a": "x", "response_b": "=1+1", "winner": "a"} for n in range(3)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "f.parquet")
    book = openpyxl.Workbook()
    for cells in ([*rows[0]], *([*row.values()] for row in rows)):
        book.active.append(cells)
    book.save(tmp_path / "f.xlsx")
    for name in ("f.parquet", "f.xlsx"):
        format, _ = detect(tmp_path / name)[0]
        assert format.slug == name.rpartition(".")[2]
        assert [str(one.guessed) for one in columns(tmp_path / name, format)] == [
            "prompt",
            "response:a",
            "response:b",
            "winner",
        ]
        done = write(tmp_path / name, format, guessed_mapping(tmp_path / name, format), project, None)
        assert done.counts.votes + done.counts.votes_known == 3
    assert set(Response.objects.values_list("text", flat=True)) == {"x", "=1+1"}
