"""Versions of rubrics and protocols: forms that arrive at the same moment make one, and no gap."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from accounts.models import AuditEvent, Project, User
from annotate.design.versions import Overtaken, name_of, store
from annotate.models import Protocol

STEPS = [{"kind": "pairwise", "of": "all", "question": "", "options": {}}]


def at_once(project: Project, user: User, titles: list[str], base: int) -> list[str]:
    """Each title is saved by a thread of its own, all at the same moment; what came of each."""
    barrier = Barrier(len(titles))

    def save(title: str) -> str:
        try:
            barrier.wait(timeout=20)
            row, made = store(Protocol, project=project, name="one", base=base, title=title, user=user, steps=STEPS)
            return f"{row.title} {'made' if made else 'there'}"
        except Overtaken as error:
            return f"overtaken by {error.newest}"
        finally:
            connection.close()

    with ThreadPoolExecutor(len(titles)) as pool:
        return sorted(pool.map(save, titles))


@pytest.mark.django_db(transaction=True)
def test_a_double_click_is_one_version(project: Project, researcher: User) -> None:
    assert at_once(project, researcher, ["One"] * 4, 0) == ["One made", "One there", "One there", "One there"]
    assert at_once(project, researcher, ["Two"] * 4, 1) == ["Two made", "Two there", "Two there", "Two there"]
    assert list(Protocol.objects.order_by("version").values_list("version", flat=True)) == [1, 2]
    assert AuditEvent.objects.filter(action="protocol.saved").count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_two_people_one_is_told(project: Project, researcher: User) -> None:
    at_once(project, researcher, ["One"], 0)
    done = at_once(project, researcher, ["Mine", "Yours"], 1)
    assert done in (["Mine made", "overtaken by 2"], ["Yours made", "overtaken by 2"])


def test_names_for_addresses() -> None:
    titles = ("Ärger, mit Öl!", "New", "x" * 99, "؟")
    assert [name_of(title) for title in titles] == ["arger-mit-ol", "new-1", "x" * 60, ""]
