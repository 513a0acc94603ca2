"""Matrix products of a frozen or adapted layer, each as one product forward and one back.

PEFT computes an adapted layer as x W' + s (x A') B': three products, two sums over the whole output, and as many again
on the way back. Where the weights are float32 the sum W + s B A is kept instead, made anew after each optimiser step:
the same number up to rounding, at the price of one more copy of the adapted weights. In 16 bits the sum would round
the adapter away, so there PEFT's own way is left alone.

On a processor with AVX-512 the products are oneDNN's. Torch gives float32 products to MKL, which uses half the width
of the registers of processors that are not Intel's (measured on an AMD EPYC: 170 against 340 GFLOP/s).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

MERGEABLE = (torch.float32, torch.float64)


@functools.cache
def has_onednn_products() -> bool:
    """Whether float32 products go to oneDNN: a matter of the machine, so that two runs on it compute alike."""
    return (
        torch.backends.mkldnn.is_available()
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x weight' + bias, as `nn.functional.linear`; x (rows, in), weight (out, in), each transposed in memory or not."""
    if x.device.type == "cpu" and x.dtype == weight.dtype == torch.float32 and has_onednn_products():
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return nn.functional.linear(x, weight, bias)


class _Dense(torch.autograd.Function):
    """y = x weight' + bias. With an adapter (a, b), `weight` holds W + scale b a already, and a and b are trained."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor | None, b: Tensor | None, scale: float
    ) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        ctx.save_for_backward(rows, weight, a, b)
        ctx.scale, ctx.shape = scale, x.shape
        return product(rows, weight, bias).view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight, a, b = ctx.saved_tensors
        grad = outer[0].reshape(-1, outer[0].shape[-1])
        need = ctx.needs_input_grad
        x_grad = product(grad, weight.t()).view(ctx.shape) if need[0] else None
        weight_grad = product(grad.t(), rows.t()) if need[1] else None
        bias_grad = grad.sum(dim=0) if need[2] else None
        a_grad = b_grad = None
        if a is not None:
            a_grad = ((grad @ b).t() @ rows).mul_(ctx.scale)
            b_grad = (grad.t() @ (rows @ a.t())).mul_(ctx.scale)
        return x_grad, weight_grad, bias_grad, a_grad, b_grad, None


class MergedWeights:
    """W + scale B A of each adapted layer, computed when A, B or W has changed since the last time."""

    def __init__(self) -> None:
        self._kept: dict[nn.Module, tuple[tuple[int, ...], Tensor]] = {}

    @torch.no_grad()
    def of(self, layer: Any, a: Tensor, b: Tensor, scale: float) -> Tensor:
        base = layer.base_layer.weight
        # What writes into a tensor counts its version up, optimisers and loading included.
        state = tuple(part for t in (base, a, b) for part in (t.data_ptr(), t._version))
        known = self._kept.get(layer)
        if known is not None and known[0] == state:
            return known[1]
        # A new tensor rather than the old one overwritten: a pass that still waits for its way back needs that.
        merged = torch.addmm(base, b, a, alpha=scale)
        self._kept[layer] = (state, merged)
        return merged


def _adapter(layer: Any) -> tuple[Tensor, Tensor, float] | None:
    """A, B and the scale of a LoRA layer that one sum describes; None for any other."""
    base = layer.base_layer
    if type(base) is not nn.Linear or base.weight.dtype not in MERGEABLE or layer.merged:
        return None
    if len(layer.active_adapters) != 1 or layer.active_adapters[0] not in layer.lora_A:
        return None
    name = layer.active_adapters[0]
    dropout = layer.lora_dropout[name]
    a, b = layer.lora_A[name], layer.lora_B[name]
    plain = name not in layer.lora_variant and a.bias is None and b.bias is None
    if not plain or (isinstance(dropout, nn.Dropout) and dropout.p > 0) or a.weight.dtype != base.weight.dtype:
        return None
    return a.weight, b.weight, layer.scaling[name]


def _adapted_forward(layer: Any, merged: MergedWeights, x: Tensor) -> Tensor:
    base = layer.base_layer
    adapter = None if layer.disable_adapters else _adapter(layer)
    if adapter is None:
        return _Dense.apply(x, base.weight, base.bias, None, None, 0.0)
    a, b, scale = adapter
    return _Dense.apply(x, merged.of(layer, a, b, scale), base.bias, a, b, scale)


def _plain_forward(layer: nn.Linear, x: Tensor) -> Tensor:
    return _Dense.apply(x, layer.weight, layer.bias, None, None, 0.0)


@contextmanager
def fast_products(model: nn.Module, merged: MergedWeights) -> Iterator[None]:
    """Let the linear layers of `model` compute as above for a while; those it does not describe keep their own way."""
    from peft.tuners.lora.layer import Linear as LoraLinear

    changed: list[nn.Module] = []
    inside: set[nn.Module] = set()
    for layer in model.modules():
        if type(layer) is LoraLinear:
            inside.update(layer.modules())
            if _adapter(layer) is not None:
                layer.forward = functools.partial(_adapted_forward, layer, merged)  # type: ignore[method-assign]
                changed.append(layer)
        elif type(layer) is nn.Linear and layer not in inside and layer.weight.dtype in MERGEABLE:
            layer.forward = functools.partial(_plain_forward, layer)  # type: ignore[method-assign]
            changed.append(layer)
    try:
        yield
    finally:
        for layer in changed:
            del layer.forward
