"""Taking an import back: what goes, what stays and why, and that the same file can come in again."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import AuditEvent, Project, User
from annotate import services
from annotate.models import Assignment, DatasetFeedback, Feedback, Prompt, Protocol, Response, Task, Verdict
from exchange.imports import take_back
from exchange.imports.base import Becomes, Mapping
from exchange.imports.formats import FORMATS
from exchange.imports.outcome import Outcome
from exchange.imports.take_back import Holds
from exchange.imports.write import write
from exchange.models import Import, WithdrawnVote
from registry import jobs
from registry.models import Dataset, Job, ModelVersion
from tests.factories import make_response

pytestmark = pytest.mark.django_db
ROLES = {
    "prompt": "prompt", "a": "response:a", "b": "response:b", "ma": "model:a", "mb": "model:b", "won": "winner",
    "who": "rater", "id": "key",
}  # fmt: skip
LIVE = (Prompt, Response, Task, Assignment, Feedback)


def row(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"k{number}", "prompt": f"q{number}", "a": "x", "b": "y", "ma": "m1", "mb": "m2", "won": "a",
        "who": "ann", **more,
    }  # fmt: skip


ROWS = [row(number) for number in range(4)]


def bring_in(folder: Path, project: Project, rows: list[dict[str, Any]], **options: Any) -> Import:
    path = folder / "f.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    raters = options.pop("raters", "auto")
    mapping = Mapping(columns={k: Becomes.parse(v) for k, v in ROLES.items()}, source="s", raters=raters)
    done: Outcome = write(path, FORMATS["jsonl"], mapping, project, None, **options)
    return Import.objects.get(pk=done.number)


def sizes() -> list[int]:
    return [model.objects.count() for model in LIVE]


def test_all_of_it_goes_and_what_was_here_stays(tmp_path: Path, project: Project, owner: User) -> None:
    before = bring_in(tmp_path, project, [row(90)])
    there = sizes()
    made = bring_in(tmp_path, project, ROWS)
    seen = take_back.look(made)
    assert sizes() != there
    gone = take_back.take_back(made, owner)
    assert (gone.prompts, gone.responses, gone.tasks, gone.votes, gone.kept) == (4, 8, 4, 4, {})
    assert (seen.prompts, seen.responses, seen.tasks, seen.votes) == (4, 8, 4, 4)
    assert sizes() == there
    assert User.objects.filter(is_external=True).count() == 1
    assert ModelVersion.objects.count() == 2  # the import before made them
    assert take_back.take_back(before, owner).models == 2
    assert sizes() == [0] * 5
    assert not ModelVersion.objects.exists()
    event = AuditEvent.objects.filter(action="import.taken_back").order_by("pk")[0]
    assert (event.actor, event.data["votes"], event.data["number"]) == (owner, 4, made.pk)


def test_votes_that_go_are_kept_as_they_were(tmp_path: Path, project: Project) -> None:
    made = bring_in(tmp_path, project, ROWS[:1])
    feedback = Feedback.objects.get()
    take_back.take_back(made, None)
    kept = WithdrawnVote.objects.get()
    assert (kept.annotator_id, kept.prompt_key, kept.made) == (feedback.annotator_id, "k0", made)
    assert (kept.said["id"], kept.said["preference"], kept.said["kind"]) == (feedback.pk, 2, "pairwise")


def test_the_right_file_comes_in_afterwards_with_the_same_keys_and_raters(tmp_path: Path, project: Project) -> None:
    take_back.take_back(bring_in(tmp_path, project, ROWS), None)
    bring_in(tmp_path, project, [row(0, prompt="another text", won="b")])
    assert Feedback.objects.get().preference == -2


def test_open_tasks_go_but_for_those_that_somebody_has(tmp_path: Path, project: Project, annotator: User) -> None:
    made = bring_in(tmp_path, project, ROWS, raters="none", as_tasks=True, wanted=2)
    assignment = services.next_assignment(annotator=annotator, project=project)
    assert assignment is not None
    gone = take_back.take_back(made, None)
    assert (gone.tasks, gone.prompts, gone.responses, gone.votes) == (3, 3, 6, 0)
    assert gone.kept_keys == [assignment.task.prompt.key]
    assert "somebody judged here or is judging" in " ".join(gone.kept)
    assert Response.objects.count() == 2
    assert (Task.objects.get().wanted, Task.objects.get().claimed) == (2, 1)


def test_votes_in_a_dataset_stay_with_their_items(tmp_path: Path, project: Project) -> None:
    made = bring_in(tmp_path, project, ROWS)
    job = Job.objects.create(project=project, kind="build_dataset", status="succeeded", params={})
    dataset = Dataset.objects.create(project=project, job=job, name="helpful", version=2, path="x", recipe={}, rows={},
                                     content_hash="0" * 64)  # fmt: skip
    frozen = Feedback.objects.order_by("pk")[0]
    DatasetFeedback.objects.create(dataset=dataset, feedback=frozen, split="train")
    gone = take_back.take_back(made, None)
    assert (gone.prompts, gone.votes, gone.kept_prompts, gone.kept_keys) == (3, 3, 1, ["k0"])
    assert gone.datasets == ["helpful-v2"]
    assert Feedback.objects.get() == frozen
    assert sizes() == [1, 2, 1, 1, 1]
    with pytest.raises(Holds, match=r"votes in a dataset.*held by helpful-v2"):
        take_back.look(Import.objects.get())


def test_a_verdict_and_an_answer_of_a_model_hold(tmp_path: Path, project: Project, owner: User) -> None:
    made = bring_in(tmp_path, project, ROWS)
    task = Task.objects.get(prompt__key="k1")
    Verdict.objects.create(project=project, task=task, adjudicator=owner, value={"strength": 2}, order=[0, 1],
                           preference=2, idempotency_key="0" * 32)  # fmt: skip
    make_response(Prompt.objects.get(key="k2"), "written here")
    gone = take_back.take_back(made, None)
    assert gone.kept_keys == ["k1", "k2"]
    assert (gone.tasks, gone.votes, gone.responses, gone.prompts) == (3, 3, 6, 2)
    assert {"votes under a verdict", "items with a verdict", "prompts with other answers"} <= set(gone.kept)


def test_votes_added_to_an_earlier_item_are_taken_off_it(tmp_path: Path, project: Project) -> None:
    first = bring_in(tmp_path, project, ROWS[:1])
    second = bring_in(tmp_path, project, [row(0, who="ben"), row(0, who="cy")])
    assert take_back.take_back(second, None).votes == 2
    task = Task.objects.get()
    assert (task.wanted, task.claimed, task.answered) == (1, 1, 1)
    third = bring_in(tmp_path, project, [row(0, who="ben")])
    assert take_back.take_back(first, None).kept_keys == ["k0"]  # the item has a vote of another file
    task.refresh_from_db()
    assert (task.wanted, task.claimed, task.answered) == (1, 1, 1)
    take_back.take_back(third, None)
    assert take_back.take_back(Import.objects.get(pk=first.pk), None).prompts == 1  # nothing holds it any more
    assert sizes() == [0] * 5
    first.refresh_from_db()
    assert (first.taken_back["prompts"], first.taken_back["votes"]) == (1, 1)


def test_a_job_that_may_read_it_refuses(tmp_path: Path, project: Project, owner: User) -> None:
    made = bring_in(tmp_path, project, ROWS)
    job = jobs.request_job(project=project, kind="import", params={"upload": 1}, user=owner)
    with pytest.raises(Holds, match=f"{job.name} may be reading what came in"):
        take_back.take_back(made, owner)
    assert Feedback.objects.count() == 4
    Job.objects.update(status="cancelled", finished_at=timezone.now())
    take_back.take_back(made, owner)
    with pytest.raises(Holds, match="was taken back already"):
        take_back.take_back(Import.objects.get(), owner)


def test_the_protocol_that_it_made_goes_and_used_ones_stay(tmp_path: Path, project: Project) -> None:
    rows = [{**row(0), "fa": 4, "fb": 2}]
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps(rows[0]) + "\n")
    roles = ROLES | {"fa": "rating:a:help", "fb": "rating:b:help"}
    mapping = Mapping(columns={k: Becomes.parse(v) for k, v in roles.items()}, source="s")
    done = write(path, FORMATS["jsonl"], mapping, project, None)
    mine = Protocol.objects.create(project=project, name="mine", title="Mine", steps=[{"kind": "pairwise"}])
    take_back.take_back(Import.objects.get(pk=done.number), None)
    assert list(Protocol.objects.all()) == [mine]
    assert WithdrawnVote.objects.count() == 2  # a row a step


def test_the_command_says_the_number_and_takes_it_back(tmp_path: Path, project: Project) -> None:
    path = tmp_path / "g.jsonl"
    path.write_text("".join(json.dumps({**one, "winner": "a"}) + "\n" for one in ROWS))
    out = StringIO()
    call_command("import", str(path), "--project", "helpful", stdout=out)
    number = Import.objects.get().pk
    assert f"import --undo {number}" in out.getvalue()
    out = StringIO()
    call_command("import", "--undo", str(number), "--dry-run", stdout=out)
    assert "4  prompts" in out.getvalue()
    assert "Nothing is changed (--dry-run)." in out.getvalue()
    assert Prompt.objects.count() == 4
    call_command("import", "--undo", str(number), stdout=out)
    assert not Prompt.objects.exists()
    with pytest.raises(CommandError, match="taken back already"):
        call_command("import", "--undo", str(number), stdout=out)
    with pytest.raises(CommandError, match="There is no import 999999"):
        call_command("import", "--undo", "999999")
    with pytest.raises(CommandError, match="a FILE and --project"):
        call_command("import")
