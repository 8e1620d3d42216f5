"""Speed of the pack against bare ComfyUI, measured inside ComfyUI's process."""

from collections.abc import Iterator, Sequence

from ..comfy_client import ComfyServer
from ..paths import PACK
from .budget import NO_TIME, Budget
from .cases import cases_of
from .comfy_ratios import BENCHMARK_PACK, ModelSizes, bytes_row, measure_cases, run_node, transfer
from .measurement import Measurement
from .random_files import write_files
from .results import rows_or_text

IMPORT_STARTS = 3
IMPORT_LIMIT_MS = 100.0
ATTENTIONS = {"PyTorch's attention": ["--use-pytorch-cross-attention"], "ComfyUI's own for CPUs": []}
"""Attention functions whose maps are captured, with ComfyUI's arguments: the default on a GPU, and on a CPU."""
DEFAULT = ModelSizes()
"""The measured model."""
MAPS = ("captured maps", "whole softmax")


def run_benchmark(pairs: int, sizes: ModelSizes = DEFAULT) -> Iterator[Measurement | str]:
    """Measure styles in the weights, captured maps, and the import. ComfyUI starts several times."""
    with ComfyServer.start(packs=[PACK, BENCHMARK_PACK]) as server:
        files = write_files(server.models, sizes.blocks)
        yield bytes_row(transfer(server, sizes, files))
        yield from rows_or_text(measure_cases(server, cases_of("patch"), sizes, files, pairs))
    for name, arguments in ATTENTIONS.items():
        with ComfyServer.start(packs=[PACK, BENCHMARK_PACK], extra_args=arguments) as server:
            files = write_files(server.models, sizes.blocks)
            measured = rows_or_text(measure_cases(server, cases_of(*MAPS), sizes, files, max(1, pairs // 2)))
            yield from (named(row, name) for row in measured)
    yield from import_rows()


def import_rows(starts: int = IMPORT_STARTS, budget: Budget | None = None) -> Iterator[Measurement | str]:
    """Milliseconds to import the pack. Each time ComfyUI starts without the pack, and a node loads the pack.

    Args:
        starts: largest number of starts.
        budget: the time limit; no start begins after it.
    """
    seconds: list[float] = []
    while len(seconds) < starts and not (budget is not None and budget.is_over):
        seconds.append(_import_seconds())
    yield import_measurement(seconds) if seconds else f"import of the pack: {NO_TIME}"


def import_measurement(seconds: Sequence[float]) -> Measurement:
    """The row of the import time."""
    milliseconds = tuple(1000 * one for one in seconds)
    return Measurement("import of the pack", "ComfyUI without it", milliseconds, IMPORT_LIMIT_MS, "ms")


def named(row: Measurement | str, attention: str) -> Measurement | str:
    """The row with the name of an attention function."""
    if isinstance(row, str):
        return row
    return Measurement(f"{row.what}, {attention}", row.against, row.values, row.limit, row.unit, row.size)


def _import_seconds() -> float:
    with ComfyServer.start(packs=[BENCHMARK_PACK]) as server:
        return run_node(server, "Benchmark_ImportPack", pack=str(PACK))["seconds"]
