"""Imports and what takes them back write with triggers switched off; leaderboards have to hear of both."""

from pathlib import Path

import pytest

from accounts.models import Project, User
from evaluate.boards import keeping
from exchange.imports import take_back
from tests.exchange.imports.test_take_back import bring_in, row

pytestmark = pytest.mark.django_db


def battles(project: Project) -> list[int]:
    kept, anew = keeping.boards(project), keeping.from_scratch(project)
    assert [one.rates for one in kept] == [one.rates for one in anew]
    return [one.battles for one in kept]


def test_imported_votes_are_on_the_leaderboard_until_they_are_taken_back(
    tmp_path: Path, project: Project, owner: User
) -> None:
    rows = [row(number, won="a" if number % 3 else "b") for number in range(6)]
    assert battles(project) == []
    bring_in(tmp_path, project, rows[:4])
    assert battles(project) == [4]
    later = bring_in(tmp_path, project, rows[4:])
    assert battles(project) == [6]
    take_back.take_back(later, owner)
    assert battles(project) == [4]
