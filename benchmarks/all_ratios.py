"""One run of all ratios on this machine: small models, and one of FLUX.1's width with few blocks."""

from collections.abc import Iterator, Sequence
from typing import Any

from ..comfy_client import ComfyServer
from ..errors import StyleRouteError
from ..paths import PACK
from . import experts, mixtures
from .budget import NO_TIME, Budget
from .cases import CASES, PEERS, WIDE
from .comfy_ratios import BENCHMARK_PACK, ModelSizes, Server, bytes_row, measure_cases, transfer
from .measurement import Measurement
from .nodes import import_rows
from .random_files import write_files
from .results import Result

HEAD = 128
"""Width of an attention head of FLUX.1; a hidden size is a multiple of it."""
COMFY_SHARE, MIXTURE_SHARE = 0.7, 0.1
"""Shares of the time limit for the models in ComfyUI and for the mixtures in diffusers. Training gets the rest."""


def models(hidden: Sequence[int], cells: int) -> list[ModelSizes]:
    """The measured models: 2 + 4 blocks, and 1 + 1 blocks from the width of FLUX.1.

    Raises:
        StyleRouteError: a hidden size is impossible.
    """
    for width in hidden:
        if width < HEAD or width % HEAD:
            raise StyleRouteError(f"The hidden size {width} is no multiple of {HEAD}: give for instance 256 1024 3072.")
    return [ModelSizes(width, *((1, 1) if width >= WIDE else (2, 4)), cells) for width in hidden]


def run_benchmark(found: Sequence[ModelSizes], pairs: int, budget: Budget, cpu_time: bool = False) -> Iterator[Result]:
    """Measure everything within a time limit. Each result comes as soon as it is measured.

    Args:
        found: the models, from `models`.
        pairs: largest number of pairs of each measurement.
        budget: the time limit; later measurements are left out.
        cpu_time: count the time of ComfyUI's process on the CPU.
    """
    with ComfyServer.start(packs=[PACK, BENCHMARK_PACK]) as server:
        yield from measure_models(server, found, pairs, budget.part(COMFY_SHARE * budget.remaining), cpu_time)
    each = MIXTURE_SHARE * budget.remaining / (1 - COMFY_SHARE) / len(found)
    for sizes in found:
        part = budget.part(each)
        yield from mixtures.run_benchmark(
            diffusers_sizes(sizes), pairs, sizes.cells, diffusers_name(sizes), budget=part
        )
    yield from training_rows(pairs, budget)
    yield from import_rows(budget=budget)


def measure_models(
    server: Server, found: Sequence[ModelSizes], pairs: int, budget: Budget, cpu_time: bool = False
) -> Iterator[Result]:
    """Measure all cases on each model in one ComfyUI. A model's share of the time grows with its operations."""
    weights = [_weight(sizes) for sizes in found]
    for number, sizes in enumerate(found):
        if budget.is_over:
            yield f"{sizes.name}: {NO_TIME}"
            continue
        part = budget.part(budget.share(weights[number:]))
        files = write_files(server.models, sizes.blocks)
        yield bytes_row(transfer(server, sizes, files), sizes.name)
        yield from measure_cases(server, (*CASES, *PEERS), sizes, files, pairs, part, cpu_time)


def training_rows(pairs: int, budget: Budget) -> Iterator[Measurement | str]:
    """Training steps with the sizes that have a bound."""
    cases = ((1, experts.BOUND_CELLS), (8, experts.BOUND_CELLS // 2))
    for number, (batch, cells) in enumerate(cases):
        if budget.is_over:
            yield f"training step, batch {batch}: {NO_TIME}"
            continue
        part = budget.part(budget.share([1.0] * (len(cases) - number)))
        yield from experts.compare(batch, pairs, cells, budget=part, size="hidden 1024, 2 + 4 blocks")


def diffusers_sizes(sizes: ModelSizes) -> dict[str, Any]:
    """The sizes of the same transformer, as diffusers names them."""
    return {
        "in_channels": 64,
        "num_layers": sizes.double,
        "num_single_layers": sizes.single,
        "attention_head_dim": HEAD,
        "num_attention_heads": sizes.hidden // HEAD,
        "joint_attention_dim": sizes.context,
        "pooled_projection_dim": sizes.vector,
        "guidance_embeds": True,
    }


def diffusers_name(sizes: ModelSizes) -> str:
    """The name of the sizes in the table, without ComfyUI's form of the weights."""
    return f"hidden {sizes.hidden}, {sizes.double} + {sizes.single} blocks"


def _weight(sizes: ModelSizes) -> float:
    """Operations of a step, in proportion: those of the linear layers, and a constant for ComfyUI's own work."""
    return (2 * sizes.double + sizes.single) * sizes.hidden**2 * (sizes.tokens + sizes.text) + 1e9
