"""Exports as jobs and by command: whole or not there, told to the audit log, swept after a week."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import AuditEvent, Membership, Project, User
from annotate.models import Feedback
from exchange.exports import kept
from exchange.exports.errors import ExportError
from registry import jobs
from registry.models import Job
from registry.specs import SPECS, ExportSpec, parse
from tests.exchange.exports.conftest import Freeze
from tests.exchange.exports.making import made
from workers import tasks
from workers.context import JobContext
from workers.errors import JobError
from workers.jobs import export
from workers.tasks import Sweeping

pytestmark = pytest.mark.django_db(transaction=True)  # publishing may open a new connection
ROOT = Path(__file__).resolve().parents[3]


def run(project: Project, user: User | None = None, **settings: Any) -> Job:
    kept.request(project, ExportSpec(**settings), user)
    return run_claimed()


def run_claimed() -> Job:
    job = jobs.claim("default", worker="test")
    assert job is not None
    export.run(JobContext(job), parse(SPECS["export"].spec, job.params))  # type: ignore[arg-type]
    job.refresh_from_db()
    return job


def test_the_job_makes_the_file_and_tells_the_audit_log(
    project: Project, researcher: User, votes: list[Feedback]
) -> None:
    job = run(project, researcher, what="events", compress="gzip")
    path = kept.file_of(job)
    assert path is not None and path.name == "helpful-events-plain.jsonl.gz"
    assert path.read_bytes() == made(project, what="events", compress="gzip")
    assert job.result["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    event = AuditEvent.objects.get(action="export.made")
    assert (event.actor, event.target, event.data["rows"]) == (researcher, path.name, 4)
    assert (event.data["names"], event.data["format"], event.data["sha256"]) == (False, "plain", job.result["sha256"])


def test_names_are_for_admins_even_if_the_role_changes_meanwhile(
    project: Project, owner: User, researcher: User, votes: list[Feedback]
) -> None:
    spec = ExportSpec(what="events", people="names")
    with pytest.raises(ExportError, match="Only admins of Helpful answers can export names"):
        kept.request(project, spec, researcher)
    kept.request(project, spec, owner)
    Membership.objects.filter(user=owner).update(role=Membership.Role.RESEARCHER)
    with pytest.raises(JobError, match="Only admins"):
        run_claimed()
    assert not AuditEvent.objects.filter(action="export.made").exists()


def test_an_attempt_that_died_leaves_nothing_of_its_file(project: Project, votes: list[Feedback]) -> None:
    job = kept.request(project, ExportSpec(what="events"), None)
    first = job.folder / "attempt-0"
    first.mkdir(parents=True)
    (first / "helpful-events-plain.jsonl.part").write_bytes(b'{"torn')
    done = run_claimed()
    assert not first.exists()
    assert [path.name for path in done.folder.rglob("*") if path.is_file()] == ["helpful-events-plain.jsonl"]


def test_an_error_in_the_middle_leaves_no_file(
    project: Project, votes: list[Feedback], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Any) -> Any:
        yield b"half"
        raise OSError("disk full")

    monkeypatch.setattr("exchange.exports.stream.Export.blocks", broken)
    with pytest.raises(OSError, match="disk full"):
        run(project, what="events")
    job = Job.objects.get(kind="export")
    assert not [path for path in job.folder.rglob("*") if path.is_file()]
    assert kept.file_of(job) is None


def test_kill_9_leaves_no_file_under_its_name(
    project: Project, votes: list[Feedback], process_env: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    code = (
        "import sys, time; sys.path[:0] = ['.', 'platform']; import django; django.setup()\n"
        "from exchange.exports.stream import Export\n"
        "real = Export.blocks\n"
        "def slow(self):\n    for block in real(self):\n        yield block\n        yield b'x' * 10_000_000\n"
        "        print('half', flush=True)\n        time.sleep(60)\n"
        "Export.blocks = slow\n"
        "from django.core.management import call_command\n"
        f"call_command('export', '--project', 'helpful', '--raw', '--out', {str(out)!r})"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env={**process_env, "DJANGO_SETTINGS_MODULE": "config.settings"},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "half\n"
    os.kill(child.pid, signal.SIGKILL)
    child.wait(30)
    assert not out.exists()
    assert (tmp_path / "out.jsonl.part").stat().st_size > 1_000_000
    call_command("export", "--project", "helpful", "--raw", "--out", str(out), "--resume", stderr=io.StringIO())
    assert out.read_bytes() == made(project, what="events")
    assert [path.name for path in tmp_path.glob("out*")] == ["out.jsonl"]


def test_two_that_write_the_same_file_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with kept.whole_or_nothing(path) as first:
        first.write(b"one\n")
        with pytest.raises(OSError, match="another export is writing this file"), kept.whole_or_nothing(path):
            pass
        first.write(b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"
    assert list(tmp_path.iterdir()) == [path]


def test_the_command_writes_a_file_and_says_so(project: Project, freeze: Freeze, tmp_path: Path) -> None:
    freeze()
    said = io.StringIO()
    options = ["--project", "helpful", "--dataset", "prefs-v1", "--format", "trl"]
    call_command("export", *options, "--out", str(tmp_path), stderr=said)
    path = tmp_path / "helpful-prefs-v1-trl.jsonl"
    assert path.read_bytes() == made(project, dataset="prefs-v1", format="trl")
    assert "4 rows" in said.getvalue()
    assert AuditEvent.objects.get(action="export.made").data["way"] == "command"
    call_command("export", *options, "--out", str(path), "--resume", stderr=said)
    assert AuditEvent.objects.filter(action="export.made").count() == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--project", "nowhere", "--raw"], "There is no project nowhere. There are: helpful."),
        (["--project", "helpful", "--dataset", "prefs-v9"], "There is no dataset prefs-v9 in Helpful answers."),
        (["--project", "helpful", "--raw", "--format", "trl"], "cannot hold the full history"),
    ],
)
def test_the_command_refuses_in_sentences(project: Project, options: list[str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("export", *options, "--out", str(tmp_path / "x"))
    assert not list(tmp_path.glob("x*"))


def test_files_are_swept_after_a_week_and_the_log_stays(project: Project, votes: list[Feedback]) -> None:
    job = run(project, what="events")
    assert kept.sweep() == 0
    Job.objects.filter(pk=job.pk).update(finished_at=timezone.now() - kept.KEPT - timedelta(minutes=1))
    job.refresh_from_db()
    Sweeping.next_at = 0.0
    tasks.tend_jobs()
    assert kept.sweep() == 0, "tend_jobs has swept it"
    assert kept.file_of(job) is None
    assert not job.folder.exists()
    assert AuditEvent.objects.filter(action="export.made").count() == 1


def test_a_job_that_is_asked_to_stop_leaves_nothing(
    project: Project, votes: list[Feedback], monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.errors import Stopped

    kept.request(project, ExportSpec(what="events"), None)
    job = jobs.claim("default", worker="test")
    assert job is not None
    context = JobContext(job)
    context._stop.set()
    monkeypatch.setattr(time, "monotonic", lambda: 1e9)
    with pytest.raises(Stopped):
        export.run(context, parse(SPECS["export"].spec, job.params))  # type: ignore[arg-type]
    assert not [path for path in job.folder.rglob("*") if path.is_file()]
