"""All ratios on the full FLUX.1 Kontext with random weights, on one graphics card, within a time limit."""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from ..comfy_client import ComfyServer
from ..errors import ComfyError
from ..paths import PACK
from . import experts, mixtures
from .all_ratios import diffusers_sizes
from .budget import NO_TIME, Budget
from .cases import CASES, PEERS
from .comfy_ratios import BENCHMARK_PACK, ModelSizes, Server, bytes_row, first_line, measure_cases, transfer
from .measurement import Measurement
from .nodes import import_rows
from .random_files import write_files
from .results import Result

KONTEXT = ModelSizes(hidden=3072, double=19, single=38, cells=128, context=4096, vector=768, text=128)
"""FLUX.1 Kontext at 1024 x 1024 with one content image."""
FORMS = ("bf16", "fp8")
"""Forms of the stored weights."""
COMFY_SHARE, MIXTURE_SHARE = 0.7, 0.12
"""Shares of the time limit for ComfyUI and for the mixtures in diffusers. Training gets the rest."""
GPU_TRAINING = ((1, 64), (8, 32))
"""Batch sizes and sides of the latents of the training steps."""


def run_full_size(pairs: int, budget: Budget, sizes: ModelSizes = KONTEXT, device: str = "cuda") -> Iterator[Result]:
    """Measure everything. Each result comes as soon as it is measured, so a stopped run keeps the earlier ones.

    Args:
        pairs: largest number of pairs of each measurement.
        budget: the time limit; later measurements give sentences.
        sizes: the model.
        device: a torch device, "cuda" or "cpu".
    """
    with ComfyServer.start(packs=[PACK, BENCHMARK_PACK], cpu=device == "cpu") as server:
        files = write_files(server.models, sizes.blocks)
        yield from measure_forms(server, sizes, files, pairs, budget.part(COMFY_SHARE * budget.remaining), FORMS)
    yield from measure_diffusers(pairs, budget, diffusers_sizes(sizes), sizes.cells, device)
    yield from import_rows(1, budget)


def measure_forms(
    server: Server, sizes: ModelSizes, files: Any, pairs: int, budget: Budget, forms: Sequence[str] = FORMS
) -> Iterator[Result]:
    """Measure the cases, the transfer of a style and the peak memory with each form of stored weights."""
    for number, form in enumerate(forms):
        stored = replace(sizes, form=form)
        part = budget.part(budget.share([1.0] * (len(forms) - number)))
        if part.is_over:
            yield f"{stored.name}: {NO_TIME}"
            continue
        try:
            measured = transfer(server, stored, files, part)
        except ComfyError as error:
            yield f"{stored.name}: not measured ({first_line(error)})"
            continue
        yield from transfer_rows(measured, stored)
        # A step's peak is the largest of its first runs, in which no other style is on the card.
        for result in measure_cases(server, (*CASES, *PEERS), stored, files, pairs, part):
            yield result
            if not isinstance(result, str) and result.case.kind == "step" and any(result.peaks[0]):
                yield _peak_row(result.case.what, result.peaks[0][0], stored.name)


def transfer_rows(measured: Mapping[str, Any], sizes: ModelSizes) -> Iterator[Measurement]:
    """Rows of Benchmark_MeasureTransfer: what a style reads, and how long it takes to read and to move."""
    size, moved = sizes.name, measured["bytes_moved"] / 2**20
    yield bytes_row(dict(measured), size)
    yield Measurement("read, route and collapse a style", "", tuple(measured["read"]), None, "s", size)
    yield Measurement(f"move a style to the device, {moved:.0f} MiB", "", tuple(measured["move"]), None, "s", size)


def measure_diffusers(
    pairs: int, budget: Budget, sizes: Mapping[str, Any], cells: int, device: str
) -> Iterator[Measurement | str]:
    """Mixtures and training steps in diffusers, with as many blocks as fit into the card's memory."""
    rest = budget.remaining
    part = budget.part(MIXTURE_SHARE * rest / (1 - COMFY_SHARE))
    yield from fitting(lambda fit: mixtures.run_benchmark(fit, pairs, cells, _name(fit), device, part), sizes, part)
    for number, (batch, side) in enumerate(GPU_TRAINING):
        part = budget.part(budget.share([1.0] * (len(GPU_TRAINING) - number)))
        side = min(side, cells)
        yield from fitting(
            lambda fit, batch=batch, side=side, part=part: experts.compare(
                batch, pairs, side, fit, device, part, _name(fit)
            ),
            sizes,
            part,
        )


def fitting(
    measure: Callable[[Mapping[str, Any]], Iterator[Measurement | str]], sizes: Mapping[str, Any], budget: Budget
) -> Iterator[Measurement | str]:
    """The rows of a measurement with as many blocks as fit: when the memory is full, half of the blocks are tried.

    Args:
        measure: measures a transformer of the given sizes.
        sizes: the full sizes, as diffusers names them.
        budget: the time limit.
    """
    fit = dict(sizes)
    while not budget.is_over:
        try:
            yield from measure(fit)
            return
        except torch.OutOfMemoryError:
            pass
        gc.collect()
        torch.cuda.empty_cache()
        if fit["num_single_layers"] == 1:
            yield f"{_name(fit)} in diffusers: not measured, because the memory is too small"
            return
        yield f"{_name(fit)} in diffusers: the memory is too small, so half of the blocks are tried"
        fit |= {key: max(1, fit[key] // 2) for key in ("num_layers", "num_single_layers")}
    yield f"{_name(fit)} in diffusers: {NO_TIME}"


def _name(sizes: Mapping[str, Any]) -> str:
    hidden = sizes["num_attention_heads"] * sizes["attention_head_dim"]
    return f"hidden {hidden}, {sizes['num_layers']} + {sizes['num_single_layers']} blocks"


def _peak_row(what: str, held: int, size: str) -> Measurement:
    return Measurement(f"{what}: peak", "", (held / 2**30,), None, "GiB", size)
