"""Packs: every pair once, bounded and even; and FlexAttention sees what the pieces see."""

from __future__ import annotations

import random
from itertools import chain

import pytest
import torch

from tests.workers.test_shared_prefix import PAD, llama, make_pairs
from workers.engine.packing import pack, passes
from workers.engine.prefix import shared_prefix_log_probs
from workers.pairs import TokenPair


@pytest.mark.parametrize("tokens", [None, 700])
def test_every_pair_goes_through_once_in_order_and_within_the_bounds(tokens: int | None) -> None:
    source = random.Random(0)
    for _ in range(50):
        lengths = [source.randint(1, 900) for _ in range(30)]
        indices = source.sample(range(30), 20)
        cut = passes(indices, lengths, most=6, tokens=tokens)
        assert list(chain(*cut)) == indices
        assert max(len(one) for one in cut) <= 6
        for one in cut:
            assert tokens is None or len(one) == 1 or sum(lengths[index] for index in one) <= tokens


def test_passes_are_even_rather_than_full_and_a_rest() -> None:
    assert [len(one) for one in passes(range(10), [100] * 10, most=8)] == [5, 5]
    assert [len(one) for one in passes(range(9), [100] * 9, most=99, tokens=400)] == [3, 3, 3]
    assert passes([], [], most=4) == []
    assert passes([0], [5000], most=4, tokens=100) == [[0]]


def test_none_at_once_is_refused() -> None:
    with pytest.raises(ValueError, match="At least one"):
        passes([0], [1], most=0)


def test_a_pack_holds_no_padding_and_knows_what_predicts_what() -> None:
    packed = pack([TokenPair((10, 11), (5, 6, PAD), (5, 8)), TokenPair((20,), (21,), (22, 23))], torch.device("cpu"))
    assert packed.ids.tolist() == [[10, 11, 5, 6, 20, 22]]
    assert packed.positions.tolist() == [[0, 1, 2, 3, 0, 1]]
    assert packed.segments().tolist() == [0, 0, 0, 1, 3, 5]
    assert packed.targets.tolist() == [5, 6, PAD, 21, 5, 8, 22, 23]
    assert packed.side.tolist() == [0, 0, 0, 1, 2, 2, 3, 3]
    assert packed.before.tolist() == [1, 2, 3, 4, 1, 2, 4, 5]


@pytest.mark.filterwarnings("ignore:flex_attention called without")
def test_flex_attention_gives_what_the_pieces_give() -> None:
    """The way that is meant for GPUs, uncompiled on a processor: its mask and its numbers, not its speed."""
    model, pairs = llama(), make_pairs(7)
    with torch.no_grad():
        flex = shared_prefix_log_probs(model, pairs, kind="flex")
        pieces = shared_prefix_log_probs(model, pairs, kind="pieces")
    assert torch.allclose(flex, pieces, atol=1e-4), (flex - pieces).abs().max()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_flex_attention_compiled_on_a_gpu_has_the_gradients_of_the_pieces() -> None:
    model, pairs = llama().cuda(), make_pairs(7)
    found = []
    for kind in ("flex", "pieces"):
        model.zero_grad()
        shared_prefix_log_probs(model, pairs, kind=kind).sum().backward()  # type: ignore[arg-type]
        found.append([weight.grad.clone() for weight in model.parameters() if weight.grad is not None])
    assert all(torch.allclose(one, two, atol=1e-3) for one, two in zip(*found, strict=True))
