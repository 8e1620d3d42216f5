"""Speed of styles at run time (the branch) against the same model without them, measured inside ComfyUI's process."""

from collections.abc import Iterator

from ..comfy_client import ComfyServer
from ..paths import PACK
from .cases import cases_of
from .comfy_ratios import BENCHMARK_PACK, ModelSizes, measure_cases
from .measurement import Measurement
from .random_files import write_files
from .results import rows_or_text

SIDES = ("branch", "two masks", "two objects")


def models(cells: int) -> tuple[ModelSizes, ...]:
    """The measured models. The second one has the width of FLUX.1."""
    return ModelSizes(cells=cells), ModelSizes(3072, 1, 1, cells)


def run_benchmark(pairs: int, cells: int = 64, cpu_time: bool = False) -> Iterator[Measurement | str]:
    """Measure steps and changes of style for each model; both sides of a case alternate in one process.

    Args:
        pairs: number of measurements of each side.
        cells: side of the latents; the reference image has the same size.
        cpu_time: count the time of ComfyUI's process on the CPU, which other programs disturb less.
    """
    for sizes in models(cells):
        with ComfyServer.start(packs=[PACK, BENCHMARK_PACK]) as server:
            files = write_files(server.models, sizes.blocks)
            yield from rows_or_text(measure_cases(server, cases_of(*SIDES), sizes, files, pairs, cpu_time=cpu_time))
