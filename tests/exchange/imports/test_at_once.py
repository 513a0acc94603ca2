"""The same file from two people at one moment, again later, and a worker that dies in the middle."""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings as django_settings
from django.db import connection

from accounts.models import Project, User
from annotate.models import Assignment, Feedback, Prompt, Response, Task
from exchange.imports.base import Becomes, Mapping
from exchange.imports.formats import FORMATS
from exchange.imports.outcome import Outcome
from exchange.imports.write import write
from exchange.models import Import, Upload
from registry import jobs
from registry.models import Job
from tests.workers.engine import lives, log_of, sweep_until_queued, wait_for, wait_until, worker

ROLES = {"id": "key", "prompt": "prompt", "a": "response:a", "b": "response:b", "won": "winner", "who": "rater"}
MAPPING = Mapping(columns={name: Becomes.parse(role) for name, role in ROLES.items()}, source="study")
LEASE = 3.0


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"k{number}", "prompt": f"q{number} {'long ' * 20}", "a": "x", "b": "y", "won": "a", "who": "ann",
            **more}  # fmt: skip


def file(folder: Path, rows: Iterator[dict[str, Any]] | list[dict[str, Any]], name: str = "f.jsonl") -> Path:
    path = folder / name
    with path.open("w") as out:
        for one in rows:
            out.write(json.dumps(one) + "\n")
    return path


def sizes() -> list[int]:
    return [model.objects.count() for model in (Prompt, Response, Task, Assignment, Feedback)]


@pytest.mark.django_db(transaction=True)
def test_two_people_import_the_same_file_at_one_moment(tmp_path: Path, project: Project, researcher: User) -> None:
    path = file(tmp_path, [row(number) for number in range(3_000)])
    start, found = threading.Barrier(2), list[Any]()

    def bring_in() -> None:
        start.wait()
        try:
            found.append(write(path, FORMATS["jsonl"], MAPPING, project, researcher))
        except Exception as error:  # told below
            found.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=bring_in) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert all(isinstance(one, Outcome) for one in found), found
    assert sorted(one.counts.votes for one in found) == [0, 3_000]
    assert sorted(one.counts.votes_known for one in found) == [0, 3_000]
    assert sizes() == [3_000, 6_000, 3_000, 3_000, 3_000]
    assert User.objects.filter(is_external=True).count() == 1


@pytest.mark.django_db
def test_ids_that_another_file_used_are_told_and_the_others_come_in(tmp_path: Path, project: Project) -> None:
    write(file(tmp_path, [row(1), row(2)]), FORMATS["jsonl"], MAPPING, project, None)
    rows = [row(1), row(2, prompt="something else"), row(3), row(3, who="ben"), row(3, who="ben")]
    done = write(file(tmp_path, rows, "g.jsonl"), FORMATS["jsonl"], MAPPING, project, None, on_bad="skip")
    assert [one.line for one in done.problems] == [2, 5]
    assert "is in the project already, with another text" in done.problems[0].what
    assert "ben answered about this item on line 4 already" in done.problems[1].what
    assert (done.counts.votes, done.counts.votes_known, done.counts.joined_by_key) == (2, 1, 1)
    assert sizes() == [3, 6, 3, 4, 4]


@pytest.mark.engine
@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_in_the_middle_leaves_nothing_and_the_next_one_brings_all_in(
    tmp_path: Path, project: Project, researcher: User
) -> None:
    many = 60_000
    folder = Path(django_settings.ARTIFACTS) / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    path = file(folder, (row(number) for number in range(many)), f"at-once-{os.getpid()}")
    upload = Upload.objects.create(
        project=project, user=researcher, filename="many.jsonl", path=f"uploads/{path.name}", sha256="0" * 64,
        size=path.stat().st_size, format="jsonl", mapping=MAPPING.as_json(), options={"on_bad": "refuse"},
    )  # fmt: skip
    with worker(tmp_path, queue="default", lease=LEASE) as first:
        first.wait_until_ready()
        job = jobs.request_job(project=project, kind="import", params={"upload": upload.pk}, user=researcher)
        wait_for(rows_are_on_their_way, lambda: (log_of(job), first.log.read_text()[-2_000:]))
        children = [one.pid for one in psutil.Process(first.process.pid).children(recursive=True)]
        first.kill()
        wait_for(lambda: not any(map(lives, children)))
    wait_until_rolled_back()
    assert sizes() == [0] * 5
    assert not Import.objects.exists()
    sweep_until_queued(job)
    with worker(tmp_path, queue="default") as second:
        second.wait_until_ready()
        job = wait_until(job, Job.Status.SUCCEEDED, tending=True)
    assert (job.attempt, job.result["votes"]) == (2, many)
    assert sizes() == [many, 2 * many, many, many, many]
    assert Import.objects.get().upload == upload
    path.unlink()


def rows_are_on_their_way() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_progress_copy WHERE tuples_processed > 0 "
                       "AND datname = current_database()")  # fmt: skip
        return bool(cursor.fetchone()[0])


def wait_until_rolled_back() -> None:
    """The server takes a moment to see that its client is gone."""

    def gone() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> "
                           "pg_backend_pid() AND datname = current_database()")  # fmt: skip
            return not cursor.fetchone()[0]

    wait_for(gone)
