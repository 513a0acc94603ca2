"""What a process keeps for previews is bounded by bytes; the funnel names nobody; a shared connection is let go."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from accounts.models import Project
from curate.making import kept, source


@dataclass
class Two:
    one: NDArray[np.int64]
    more: list[NDArray[np.int64]]


def test_bytes_are_counted_in_fields_and_lists() -> None:
    assert kept.size_of(Two(np.zeros(10, np.int64), [np.zeros(5, np.int64)])) == 120


def test_kept_is_bound_by_bytes_and_drops_what_is_old(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept.Kept, "known", kept.OrderedDict())
    monkeypatch.setattr(kept, "MOST_BYTES", 1_000)
    facts = kept.Kept(project)
    for name in "abc":
        facts.keep(name, (), lambda: np.zeros(50, np.int64))
    assert [key[2] for key in facts.known] == ["b", "c"]
    facts.stamp = ("later",)
    facts.keep("d", (), lambda: np.zeros(1, np.int64))
    assert [key[2] for key in facts.known] == ["d"]


def test_the_funnel_counts_people_and_names_none() -> None:
    assert source.chosen(1) == "by 1 chosen person" and source.chosen(3) == "by 3 chosen people"
