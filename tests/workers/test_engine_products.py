"""Products with the adapter summed in, and the tiled head, give PEFT's and autograd's values and gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.workers.test_shared_prefix import gradients, llama, make_pairs
from workers.engine import head, products
from workers.engine.head import token_log_probs
from workers.engine.prefix import shared_prefix_log_probs
from workers.engine.products import MergedWeights, fast_products
from workers.modeling import add_lora


def adapted(dtype: torch.dtype = torch.float32, **options: Any) -> Any:
    """With both matrices of each adapter away from zero."""
    model = add_lora(llama().to(dtype), rank=4, alpha=8, seed=5, **options)
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(weight, std=0.1)
    return model


def both_ways(model: Any, merged: MergedWeights) -> list[tuple[Tensor, dict[str, Tensor]]]:
    ids, found = torch.arange(3, 43).view(2, 20), []
    for fast in (False, True):
        model.zero_grad()
        backbone = model.get_base_model().model
        if fast:
            with fast_products(backbone, merged):
                hidden = backbone(input_ids=ids).last_hidden_state
        else:
            hidden = backbone(input_ids=ids).last_hidden_state
        (hidden * torch.linspace(-1, 1, hidden.shape[-1])).sum().backward()
        found.append((hidden.detach(), {name: grad.clone() for name, grad in gradients(model).items()}))
    return found


def close(one: dict[str, Tensor], two: dict[str, Tensor], least: float = 1e-5) -> None:
    assert one.keys() == two.keys() and one
    for name, grad in one.items():
        assert (grad - two[name]).abs().max() <= least * max(1, grad.abs().max()), name


@pytest.mark.parametrize("onednn", [True, False])
def test_an_adapted_layer_has_pefts_values_and_gradients(onednn: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if onednn and not products.has_onednn_products():
        pytest.skip("This processor has no AVX-512, or torch no oneDNN")
    monkeypatch.setattr(products, "has_onednn_products", lambda: onednn)
    (slow, slow_gradients), (fast, fast_gradients) = both_ways(adapted(), MergedWeights())
    assert torch.allclose(slow, fast, atol=1e-5)
    close(slow_gradients, fast_gradients)


def test_all_weights_trained_have_their_gradients() -> None:
    model, pairs = llama(), make_pairs(6)
    shared_prefix_log_probs(model, pairs).sum().backward()
    fast = {name: grad.clone() for name, grad in gradients(model).items()}
    model.zero_grad()
    from workers.engine.prefix import plain_log_probs

    plain_log_probs(model, pairs, pad_id=0).sum().backward()
    close(gradients(model), fast, 1e-4)


def test_the_sum_is_made_anew_when_a_weight_changed_and_only_then() -> None:
    model, merged = adapted(), MergedWeights()
    both_ways(model, merged)
    kept = {layer: known[1] for layer, known in merged._kept.items()}
    both_ways(model, merged)
    assert kept and all(merged._kept[layer][1] is tensor for layer, tensor in kept.items())
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=0.1)
    optimizer.step()
    (slow, _), (fast, _) = both_ways(model, merged)
    assert torch.allclose(slow, fast, atol=1e-5)
    assert all(merged._kept[layer][1] is not tensor for layer, tensor in kept.items())


def test_an_adapter_that_is_off_is_off() -> None:
    model, pairs = adapted(), make_pairs(4)
    base = shared_prefix_log_probs(llama(), pairs)
    with model.disable_adapter():
        assert torch.allclose(shared_prefix_log_probs(model, pairs), base, atol=1e-4)
    assert not torch.allclose(shared_prefix_log_probs(model, pairs), base, atol=1e-2)


@pytest.mark.parametrize("case", ["dropout", "bfloat16"])
def test_what_one_sum_does_not_describe_is_left_to_peft(case: str) -> None:
    model = adapted(dropout=0.5) if case == "dropout" else adapted(torch.bfloat16)
    merged = MergedWeights()
    with fast_products(model.get_base_model().model, merged):
        model.eval()(input_ids=torch.arange(3, 13).view(1, 10))
    assert not merged._kept


def test_layers_are_as_before_afterwards() -> None:
    model = adapted()
    with pytest.raises(ZeroDivisionError), fast_products(model, MergedWeights()):
        raise ZeroDivisionError
    assert not any("forward" in vars(layer) for layer in model.modules())


class Head(nn.Module):
    """A head of its own, as the engine asks a model for it."""

    def __init__(self, **config: Any) -> None:
        super().__init__()
        self.head = nn.Linear(8, 50, bias=False)
        self.config = type("Config", (), config)()

    def get_output_embeddings(self) -> nn.Linear:
        return self.head


@pytest.mark.parametrize("trained", [True, False])
@pytest.mark.parametrize("config", [{}, {"logits_scaling": 4.0}, {"logit_scale": 0.5}])
def test_the_tiled_head_is_log_softmax(
    trained: bool, config: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head, "_tile_rows", lambda weight: 3)  # seven tokens: two tiles and a rest
    torch.manual_seed(0)
    inner = Head(**config)
    inner.head.requires_grad_(trained)
    hidden, targets = torch.randn(7, 8, requires_grad=True), torch.randint(50, (7,))
    outer = torch.linspace(-1, 1, 7)
    scale = config.get("logit_scale", 1.0) / config.get("logits_scaling", 1.0)
    expected = (scale * inner.head(hidden)).log_softmax(dim=1).gather(1, targets.unsqueeze(1)).squeeze(1)
    wanted = [hidden, inner.head.weight] if trained else [hidden]
    expected_gradients = torch.autograd.grad((expected * outer).sum(), wanted)
    found = token_log_probs(inner, hidden, targets)
    assert torch.allclose(found, expected, atol=1e-6)
    for one, two in zip(torch.autograd.grad((found * outer).sum(), wanted), expected_gradients, strict=True):
        assert torch.allclose(one, two, atol=1e-6)


def test_the_head_keeps_no_logits(tmp_path: Path) -> None:
    inner = Head()
    inner.head.requires_grad_(False)
    sizes: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
        token_log_probs(inner, torch.randn(7, 8, requires_grad=True), torch.randint(50, (7,)))
    assert sizes == [7 * 8]


def test_logits_of_any_size_are_finite() -> None:
    inner = Head()
    hidden = torch.full((2, 8), 1e4, requires_grad=True)
    values = token_log_probs(inner, hidden, torch.tensor([0, 49]))
    values.sum().backward()
    assert torch.isfinite(values).all() and hidden.grad is not None and torch.isfinite(hidden.grad).all()
