"""Speed of styles at run time (the branch) against the same model without them, measured inside ComfyUI's process."""

from collections.abc import Iterator
from typing import Any

from ..comfy_client import ComfyServer
from ..paths import PACK
from .measurement import Measurement
from .nodes import BENCHMARK_PACK, ratios, run_node
from .random_files import Blocks, write_files

MODELS = (Blocks(), Blocks(hidden=3072, double=1, single=1))
"""The measured models. The second one has the width of FLUX.1."""
WHOLE_LIMITS = {1024: 1.03, 3072: 1.02}
"""Largest ratios of a step with a style on the whole image, by hidden size: the branch costs 2R/hidden of a layer."""
MASKS_LIMIT, OBJECTS_LIMIT, CHANGE_LIMIT = 1.05, 1.08, 0.2


def run_benchmark(pairs: int, cells: int = 64, cpu_time: bool = False) -> Iterator[Measurement]:
    """Measure steps and changes of style for each model; all sides of a model alternate in one process.

    Args:
        pairs: number of measurements of each side.
        cells: side of the latents; the reference image has the same size.
        cpu_time: count the time of ComfyUI's process on the CPU, which other programs disturb less.
    """
    for blocks in MODELS:
        with ComfyServer.start(packs=[PACK, BENCHMARK_PACK]) as server:
            expert, loras = write_files(server.models, blocks)
            inputs = {
                "expert": str(expert),
                "loras": ",".join(loras),
                "pairs": pairs,
                "cells": cells,
                "cpu_time": cpu_time,
            }
            measured = run_node(server, "Benchmark_MeasureBranch", **inputs, **blocks._asdict())
        yield from branch_rows(blocks.hidden, measured)


def branch_rows(hidden: int, measured: dict[str, Any]) -> Iterator[Measurement]:
    """Ratios of steps and of changes of style at one hidden size."""
    seconds, bare = measured["seconds"], measured["seconds"]["bare"]
    for side, what, limit in (
        ("whole image", "step with a style on the whole image", WHOLE_LIMITS[hidden]),
        ("two masks", "step with two styles in two masks", MASKS_LIMIT),
        ("two objects", "step with two styles on two named objects", OBJECTS_LIMIT),
    ):
        pairs = list(zip(seconds[side], bare, strict=True))
        yield Measurement(f"hidden {hidden}: {what}", "the bare step", ratios(pairs), limit)
    change = f"hidden {hidden}: change of style until the first step"
    yield Measurement(change, "stock LoRA loader, equal rank", ratios(measured["change"]), CHANGE_LIMIT)
