"""`manage.py import`, the job, and a process that is killed in the middle."""

import json
import os
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import Project, User
from annotate.models import Feedback, Prompt, Protocol, Response, Task
from exchange.imports.base import Mapping
from exchange.models import Upload
from registry import jobs
from registry.models import Job
from workers.context import JobContext
from workers.errors import JobError, Stopped
from workers.jobs import import_

ROOT = Path(__file__).resolve().parents[3]
ROW = {"prompt": "q", "response_a": "x", "response_b": "y", "winner": "a", "rater": "ann"}


def lines(*rows: dict[str, Any] | str) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "pairs.jsonl"
    found.write_text(lines(ROW, {**ROW, "prompt": "q2"}))
    return found


def run(path: Path, *options: str, project: str = "helpful") -> str:
    out = StringIO()
    call_command("import", str(path), "--project", project, *options, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_the_report_says_what_was_read_and_what_came_in(path: Path, project: Project) -> None:
    said = run(path)
    assert "Read as JSONL (jsonl)." in said
    assert "prompt                       prompt" in said
    assert "2 of 2 lines were imported" in said
    assert "2  votes" in said
    assert Feedback.objects.count() == 2


@pytest.mark.django_db
def test_a_dry_run_writes_nothing(path: Path, project: Project) -> None:
    said = run(path, "--dry-run")
    assert "2 of 2 lines can be imported" in said
    assert "Nothing is written" in said
    found = json.loads(run(path, "--dry-run", "--json"))
    assert (found["written"], found["fits"], found["counts"]["votes"]) == (False, 2, 2)
    assert not Prompt.objects.exists()


@pytest.mark.django_db
def test_wrong_lines_are_named_and_kept_in_a_report(path: Path, project: Project, tmp_path: Path) -> None:
    path.write_text(lines(ROW, '{"prompt": "torn', {**ROW, "prompt": "q2", "winner": "c3"}))
    with pytest.raises(CommandError) as refused:
        run(path)
    for words in (
        "line 2: Not valid JSON",
        "line 3: winner is “c3”",
        "2 lines of 3 cannot be imported, so nothing was",
    ):
        assert words in str(refused.value)
    assert not Prompt.objects.exists()
    said = run(path, "--on-bad", "skip", "--report", str(tmp_path / "rest.jsonl"))
    assert "1 of 3 lines were imported" in said
    assert str(tmp_path / "rest.jsonl") in said
    kept = [json.loads(row) for row in (tmp_path / "rest.jsonl").read_text().splitlines()]
    assert [one["line"] for one in kept] == [2, 3]
    assert kept[1]["row"]["winner"] == "c3"


@pytest.mark.django_db
def test_columns_are_mapped_by_hand(path: Path, project: Project) -> None:
    path.write_text(lines({"ask": "q", "response_a": "x", "response_b": "y", "pref": "1.5", "note": "n"}))
    run(path, "--map", "ask=prompt", "--map", "pref=winner(1.5=a1)", "--map", "note=comment", "--raters", "Panel",
        "--tag", "study", "--lang", "de")  # fmt: skip
    one = Feedback.objects.get()
    assert (one.preference, one.comment, one.annotator.first_name) == (1, "n", "Panel")
    assert (one.task.prompt.tags, one.task.lang) == (["study"], "de")


@pytest.mark.django_db
def test_open_tasks_ask_by_the_protocol_that_is_named(path: Path, project: Project) -> None:
    protocol = Protocol.objects.create(
        project=project,
        name="two-steps",
        title="Two",
        steps=[{"kind": "pairwise"}, {"kind": "critique", "of": "loser"}],
    )
    run(path, "--raters", "none", "--as-tasks", "--wanted", "3", "--protocol", "two-steps")
    assert set(Task.objects.values_list("protocol", "wanted", "claimed")) == {(protocol.pk, 3, 0)}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--map", "ask"], "is not COLUMN=ROLE"),
        (["--map", "prompt=nonsense"], "is not something a column can become"),
        (["--protocol", "none"], "There is no protocol none"), (["--wanted", "0"], "from 1 to 50"),
        (["--user", "nobody"], "There is no user nobody"),
        (["--format", "csv"], "CSV comes as csv, and this file is jsonl"),
        (["--prompts", "/nowhere.jsonl"], "There is no file /nowhere.jsonl"),
    ],
)  # fmt: skip
def test_wrong_options_are_told(options: list[str], words: str, path: Path, project: Project) -> None:
    with pytest.raises(CommandError, match=words):
        run(path, *options)
    assert not Prompt.objects.exists()


@pytest.mark.django_db
def test_an_unknown_project_or_file_is_told(path: Path, project: Project) -> None:
    with pytest.raises(CommandError, match=r"There is no project nowhere\. There are: helpful\."):
        run(path, project="nowhere")
    with pytest.raises(CommandError, match="There is no file"):
        run(path.with_name("no.jsonl"))


# --- A process that is killed -----------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_nothing_is_left_of_an_import_that_was_killed(
    tmp_path: Path, project: Project, process_env: dict[str, str]
) -> None:
    path = tmp_path / "many.jsonl"
    with path.open("w") as out:
        for number in range(60_000):
            out.write(lines({**ROW, "prompt": f"{number} {'long ' * 40}"}))
    command = [sys.executable, "manage.py", "import", str(path), "--project", project.slug]
    process = subprocess.Popen(command, cwd=ROOT, env=process_env, stdout=subprocess.DEVNULL)
    try:
        wait_until_rows_are_on_their_way(process)
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.wait(30)
    assert process.returncode == -signal.SIGKILL
    for model in (Prompt, Response, Task, Feedback):
        assert not model.objects.exists()
    assert not User.objects.filter(is_external=True).exists()
    path.write_text(lines(ROW))  # and the next import is not in its way
    assert "1 of 1 lines were imported" in run(path)


def wait_until_rows_are_on_their_way(process: "subprocess.Popen[bytes]") -> None:
    """The sequence of votes moves outside the transaction, so it tells that a chunk is being written."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, "the import ended before it could be killed"
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_progress_copy WHERE tuples_processed > 0")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.005)
    raise AssertionError("no row was written in 120 s")


# --- The job ----------------------------------------------------------------------------------------------------


@pytest.fixture
def artifacts(tmp_path: Path, settings: Any) -> Path:
    settings.ARTIFACTS = tmp_path / "artifacts"
    return Path(settings.ARTIFACTS)


def uploaded(project: Project, user: User, artifacts: Path, content: str, **options: Any) -> Upload:
    (artifacts / "uploads").mkdir(parents=True)
    (artifacts / "uploads" / "1").write_text(content)
    mapping = Mapping.from_json(
        {"columns": {"prompt": "prompt", "response_a": "response:a", "response_b": "response:b", "winner": "winner",
                     "rater": "rater"}, "source": "study"}
    )  # fmt: skip
    return Upload.objects.create(
        project=project, user=user, filename="pairs.jsonl", path="uploads/1", sha256="0" * 64, size=len(content),
        format="jsonl", mapping=mapping.as_json(), options=options,
    )  # fmt: skip


def claimed(project: Project, user: User, upload: Upload) -> JobContext:
    job = jobs.request_job(project=project, kind="import", params={"upload": upload.pk}, user=user)
    found = jobs.claim(job.queue, worker="test")
    assert found is not None
    return JobContext(found)


def spec_of(context: JobContext) -> Any:
    from registry.specs import SPECS, parse

    return parse(SPECS["import"].spec, context.job.params)


@pytest.mark.django_db(transaction=True)
def test_the_job_imports_once(project: Project, researcher: User, artifacts: Path) -> None:
    upload = uploaded(project, researcher, artifacts, lines(ROW, "{torn", {**ROW, "prompt": "q2"}), on_bad="skip")
    context = claimed(project, researcher, upload)
    import_.run(context, spec_of(context))
    upload.refresh_from_db()
    job = Job.objects.get(pk=context.job.pk)
    assert (upload.state, job.status) == ("imported", "succeeded")
    assert (upload.counts["written"], upload.counts["skipped"], job.result["votes"]) == (2, 1, 2)
    assert upload.report is not None
    assert json.loads(upload.report.read_text())["line"] == 2
    # An attempt that died between its commit and its word is run again, and finds that all is in.
    Job.objects.filter(pk=job.pk).update(status="queued")
    again = jobs.claim(job.queue, worker="test")
    assert again is not None
    import_.run(JobContext(again), spec_of(context))
    assert Feedback.objects.count() == 2
    assert Job.objects.get(pk=job.pk).status == "succeeded"


@pytest.mark.django_db(transaction=True)
def test_a_job_that_refuses_says_why_and_leaves_nothing(project: Project, researcher: User, artifacts: Path) -> None:
    upload = uploaded(project, researcher, artifacts, lines(ROW, "{torn"), on_bad="refuse")
    context = claimed(project, researcher, upload)
    with pytest.raises(JobError, match="1 line of 2 cannot be imported, so nothing was"):
        import_.run(context, spec_of(context))
    upload.refresh_from_db()
    assert (upload.state, upload.counts["bad"]) == ("failed", 1)
    assert "nothing was" in upload.error
    assert not Prompt.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_job_that_is_stopped_leaves_nothing(project: Project, researcher: User, artifacts: Path) -> None:
    upload = uploaded(project, researcher, artifacts, lines(ROW), on_bad="refuse")
    context = claimed(project, researcher, upload)
    context._stop.set()
    with pytest.raises(Stopped):
        import_.run(context, spec_of(context))
    assert not Prompt.objects.exists()
