"""Speed of the exact methods to compute attention maps, with and without gradients, against attention alone."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional

from ..attention.columns import Columns
from ..attention.span_attention import attend_joined, attend_with_lse, indicator_maps
from .measurement import Measurement, timed

HEADS, WIDTH, TEXT_TOKENS = 8, 128, 512
SPANS = ((4, 5, 6), (9,))

Attend = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor] | None]
"""q, k, v -> output and maps; None if this device has no kernel for the method."""


def run_benchmark(pairs: int, cells: int = 64) -> Iterator[Measurement]:
    """Measure each method against PyTorch's attention without maps.

    Args:
        pairs: calls of each side, alternating.
        cells: side of the latents in cells; the sequence also has a reference image of the same size.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    image = (cells // 2) ** 2
    size = (1, HEADS, TEXT_TOKENS + 2 * image, WIDTH)
    q, k, v = torch.randn(3, *size, device=device, dtype=torch.bfloat16 if device == "cuda" else torch.float32)
    columns, rows = Columns.of(SPANS, 1, size[2], device), slice(TEXT_TOKENS, TEXT_TOKENS + image)
    for passes, methods in (("forward", METHODS), ("forward and backward", WITH_GRADIENT)):
        inputs = [tensor.requires_grad_(methods is WITH_GRADIENT) for tensor in (q, k, v)]
        for name, method in methods.items():
            attend = method(columns, rows)
            if attend(*inputs) is not None:
                yield Measurement(f"{passes}: {name}", "attention without maps", _ratios(attend, inputs, pairs), None)


def _ratios(attend: Attend, inputs: list[Tensor], pairs: int) -> tuple[float, ...]:
    sides = [_step(one, inputs) for one in (attend, lambda q, k, v: (_attention(q, k, v),))]
    for step in sides:
        step()
    return tuple(timed(sides[0]) / timed(sides[1]) for _ in range(pairs))


def _step(attend: Callable, inputs: list[Tensor]) -> Callable[[], None]:
    """A function that runs the attention, and the backward pass if the inputs require gradients."""

    def step() -> None:
        found = attend(*inputs)
        if inputs[0].requires_grad:
            torch.autograd.grad(sum(one.float().sum() for one in found), inputs)
        if inputs[0].is_cuda:
            torch.cuda.synchronize()

    return step


def _attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return functional.scaled_dot_product_attention(q, k, v)


def _log_sum_exp(columns: Columns, rows: slice) -> Attend:
    return lambda q, k, v: attend_with_lse(q, k, v, columns, rows, None, WIDTH**-0.5)


def _one_call(columns: Columns, rows: slice) -> Attend:
    return lambda q, k, v: attend_joined(q, k, v, columns, rows, None, WIDTH**-0.5)


def _two_calls(columns: Columns, rows: slice) -> Attend:
    return lambda q, k, v: (_attention(q, k, v), indicator_maps(q[:, :, rows], k, columns, None, WIDTH**-0.5))


def _softmax(columns: Columns, rows: slice) -> Attend:
    def attend(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        matrix = (q * WIDTH**-0.5 @ k.transpose(-1, -2)).softmax(-1)
        maps = [matrix[:, :, rows, list(span)].mean((1, 3)) for span in SPANS]
        return matrix @ v, torch.stack(maps, 1)

    return attend


WITH_GRADIENT: dict[str, Callable[[Columns, slice], Attend]] = {
    "indicator beside the values": _one_call,
    "indicator in a separate call": _two_calls,
    "whole softmax": _softmax,
}
METHODS = {"log-sum-exp": _log_sum_exp, **WITH_GRADIENT}
