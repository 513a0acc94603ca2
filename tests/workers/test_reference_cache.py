"""Kept reference values: the same numbers, found by content, harmless when torn."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.workers.test_shared_prefix import PAD, SETTINGS, losses_of, make_pairs, policy
from tests.workers.tiny import make_tiny_model
from workers.engine.reference_cache import ReferenceCache, entry_key, reference_key, trim
from workers.modeling import load_policy


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def test_a_second_run_measures_nothing_and_is_the_same(folder: Path, tmp_path: Path) -> None:
    pairs = make_pairs(8)
    notes: list[str] = []
    live = losses_of(policy(folder), pairs, SETTINGS)
    first = losses_of(policy(folder), pairs, SETTINGS, reference_cache=tmp_path, on_note=notes.append)
    again = losses_of(policy(folder), pairs, SETTINGS, reference_cache=tmp_path, on_note=notes.append)
    assert live == first == again
    assert [note for note in notes if "16" in note] == [
        "16 log-probabilities of the reference were known from earlier runs"
    ]


def test_only_new_pairs_are_measured(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses_of(policy(folder), make_pairs(8)[:5], SETTINGS, reference_cache=tmp_path)
    cache = ReferenceCache(tmp_path, policy(folder))
    values = torch.zeros(2, 8)
    assert cache.fill(values, make_pairs(8)) == [5, 6, 7] and cache.found == 10
    assert (values[:, :5] < 0).all() and (values[:, 5:] == 0).all()


def test_the_key_is_the_reference_not_the_adapter(folder: Path, tmp_path: Path) -> None:
    key = reference_key(policy(folder))
    trained = policy(folder)
    with torch.no_grad():
        for weight in trained.parameters():
            if weight.requires_grad:
                weight.add_(1)
    assert reference_key(trained) == key
    other = load_policy(make_tiny_model(tmp_path / "other", seed=1))
    assert reference_key(other) != reference_key(load_policy(folder))
    assert reference_key(load_policy(folder, dtype=torch.bfloat16)) != reference_key(load_policy(folder))


def test_where_prompt_and_completion_part_is_in_the_key() -> None:
    assert entry_key((1, 2), (3,)) != entry_key((1,), (2, 3))
    assert entry_key((1, 2), (3,)) == entry_key([1, 2], [3])


def test_a_torn_file_is_measured_again(folder: Path, tmp_path: Path) -> None:
    pairs = make_pairs(8)
    expected = losses_of(policy(folder), pairs, SETTINGS, reference_cache=tmp_path)
    (kept,) = tmp_path.glob("*/*.npz")
    kept.write_bytes(kept.read_bytes()[:40])
    assert losses_of(policy(folder), pairs, SETTINGS, reference_cache=tmp_path) == expected


def test_a_full_disk_costs_no_run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.savez", full)
    settings = replace(SETTINGS, epochs=0.5)
    assert losses_of(policy(folder), make_pairs(8), settings, reference_cache=tmp_path)
    assert not list(tmp_path.glob("*/*.npz"))


def test_pad_is_the_end_of_a_turn() -> None:
    """What the tests above rest on: pairs end with the very token that pads them."""
    assert all(pair.chosen[-1] == pair.rejected[-1] == PAD for pair in make_pairs(3))


def test_what_was_used_longest_ago_goes_first_and_a_run_measures_it_again(folder: Path, tmp_path: Path) -> None:
    pairs = make_pairs(8)
    first = losses_of(policy(folder), pairs[:4], SETTINGS, reference_cache=tmp_path)
    [old] = tmp_path.glob("*/*.npz")
    losses_of(policy(folder), pairs[4:], SETTINGS, reference_cache=tmp_path)
    [new] = set(tmp_path.glob("*/*.npz")) - {old}
    os.utime(old, (1, 1))
    os.utime(new, (2, 2))
    size = old.stat().st_size + new.stat().st_size
    assert trim(tmp_path, size) == 0
    reading = ReferenceCache(tmp_path, policy(folder))
    assert old.stat().st_mtime > 2 and new.stat().st_mtime > 2  # read, so used
    os.utime(new, (2, 2))
    assert trim(tmp_path, size - 1) == 1 and old.exists() and not new.exists()
    assert trim(tmp_path, 0) == 1 and not old.exists()
    assert reading.fill(torch.zeros(2, 8), pairs) == []  # a run under way keeps what it read
    assert losses_of(policy(folder), pairs[:4], SETTINGS, reference_cache=tmp_path) == first
