"""What workers say of themselves."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from registry.models import Worker
from tests.workers.engine import wait_for, worker
from workers.presence import Presence, gpu_of


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (
            "NVIDIA H100 80GB HBM3, 81559, 1024",
            {"name": "NVIDIA H100 80GB HBM3", "memory": 81559 << 20, "used": 1 << 30},
        ),
        ("NVIDIA GB10, Ti, [N/A], [N/A]", {"name": "NVIDIA GB10, Ti", "memory": 0, "used": 0}),
        ("No devices were found", None),
        ("", None),
    ],
)
def test_a_line_of_the_driver(line: str, found: dict[str, object] | None) -> None:
    assert gpu_of(line) == found


@pytest.mark.django_db(transaction=True)
def test_a_worker_comes_goes_and_comes_again() -> None:
    gone = Worker.objects.create(name="old@host", since=timezone.now(), seen_at=timezone.now() - timedelta(days=2))
    presence = Presence("cpu@host", queues=["cpu"], slots=1)
    presence.say()
    first = Worker.objects.get(name="cpu@host")
    assert (first.queues, first.slots, first.ended_at) == (["cpu"], 1, None)
    assert first.cores and first.memory > first.memory_used > 0
    presence.end()
    assert Worker.objects.get().ended_at
    again = Presence("cpu@host", queues=["cpu", "default"], slots=2)
    again.over.set()
    again.run()
    second = Worker.objects.get(name="cpu@host")
    assert (second.ended_at, second.slots) == (None, 2)
    assert second.since > first.since
    assert not Worker.objects.filter(pk=gone.pk).exists()


@pytest.mark.engine
@pytest.mark.django_db(transaction=True)
def test_a_real_worker_says_that_it_is_there_and_that_it_ends(tmp_path: Path) -> None:
    with worker(tmp_path, queue="cpu,default") as started:
        row = wait_for(lambda: Worker.objects.filter(name__startswith="worker-cpu").first(), started.log.read_text)
        assert (row.queues, row.slots, row.ended_at) == (["cpu", "default"], 2, None)
        started.process.terminate()
        wait_for(lambda: Worker.objects.get(pk=row.pk).ended_at, started.log.read_text)
