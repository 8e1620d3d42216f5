"""`styleroute benchmark`: times the pack against ComfyUI, the trainers against PEFT, or the attention-map methods.

It also measures the error of a style in each form of weight storage, and counts operations and parameters.
"""

from collections.abc import Iterable
from itertools import chain
from typing import Annotated, Literal

import tyro

from ..benchmarks.measurement import Measurement, table
from ..progress import console

Subject = Literal["nodes", "branch", "storage", "training", "attention", "cost"]
"""What is measured."""


def run(
    what: Annotated[
        Literal["nodes", "branch", "storage", "training", "attention", "cost"], tyro.conf.Positional
    ] = "nodes",
    pairs: int | None = None,
    cells: int = 64,
    cpu_time: bool = False,
) -> None:
    """Print time ratios; both sides alternate within one run. The exit code is 1 if a limit is exceeded.

    nodes: a random Flux of hidden size 1024 (2 double and 4 single blocks) on 64 x 64 latents with one reference,
    inside a real ComfyUI. A change of style does not include the encoding of the style image. Maps are captured in
    every block at every step, with two attention functions; the naive method, a full softmax, is a comparison.

    branch: styles at run time on the same model, and on one of hidden size 3072: on the whole image, in two masks, and
    on two named objects.

    storage: not a time, but the error of a style in weights of 16, 8 and 4 bits, merged into them (patch) and added at
    run time (branch). GGUF needs the environment variable COMFYUI_GGUF_PATH, which names a folder with ComfyUI-GGUF.

    training: a Stage 2 step with the same sizes in diffusers (16 experts of rank 8, top-k 2) against PEFT's LoRA of
    rank 24, with a different style for each image; and a step of a region expert with Focus and Cover loss, in both
    presets, against the same step without them.

    attention: the exact methods for a map, and the full softmax, against PyTorch's attention without maps, with 8 heads
    of width 128; on a graphics card if there is one.

    cost: not a time, but operations and trainable parameters of FLUX.1 Kontext at full size, alone, with a single LoRA
    and with experts, beside StyleExpert's figures; no weights are loaded. It also lists which layers come nearest to
    the paper's number of parameters.

    Args:
        what: time the nodes or the branch against ComfyUI, the trainers against plain ones, or the methods for a map;
            or measure the error of a style in stored weights, or count operations and parameters.
        pairs: number of measurements of each side: 7 for the nodes and the branch (changes of style five times as
            often; captured steps, which are slowest, half as often) and for attention, 3 for training.
        cells: side of the latents in a training step, in attention or for the branch; 32 instead of 64 takes less than
            a quarter of the time.
        cpu_time: for the branch, count the time on the CPU instead of the time that passes: other programs disturb it
            less.
    """
    if what == "storage":
        _storage()
        return
    if what == "cost":
        _cost()
        return
    if what == "nodes":
        title, rows = _nodes(pairs or 7)
    elif what == "branch":
        title, rows = _branch(pairs or 7, cells, cpu_time)
    elif what == "training":
        title, rows = _training(pairs or 3, cells)
    else:
        title, rows = _attention(pairs or 7, cells)
    console.print(table(title, rows))
    if not all(row.passed for row in rows):
        raise SystemExit(1)


def _nodes(pairs: int) -> tuple[str, list[Measurement]]:
    from ..benchmarks.nodes import run_benchmark

    with console.status("Measuring in ComfyUI"):
        return "StyleRoute in ComfyUI: ours / theirs", run_benchmark(pairs)


def _branch(pairs: int, cells: int, cpu_time: bool) -> tuple[str, list[Measurement]]:
    from ..benchmarks import branch

    return "Styles at run time: ours / the same model without them", _printed(
        branch.run_benchmark(pairs, cells, cpu_time)
    )


def _storage() -> None:
    from ..benchmarks.storage import StorageError, measure_storage, storage_table

    found = []
    for row in measure_storage():
        console.print(row.text if isinstance(row, StorageError) else row, soft_wrap=True)
        found.append(row)
    console.print(storage_table([row for row in found if isinstance(row, StorageError)]))


def _cost() -> None:
    from ..benchmarks.cost import cost_table, count_costs
    from ..benchmarks.parameter_search import choices_table, nearest_choices

    with console.status("Counting on the meta device"):
        costs = count_costs()
    console.print(cost_table(costs), choices_table(nearest_choices()))


def _training(pairs: int, cells: int) -> tuple[str, list[Measurement]]:
    from ..benchmarks import experts, regions

    with console.status("Measuring training steps"):
        rows = _printed(chain(experts.run_benchmark(pairs, cells), regions.run_benchmark(pairs, cells)))
    return "Training steps: Stage 2 / PEFT LoRA of the kept rank, region expert / the same without its losses", rows


def _attention(pairs: int, cells: int) -> tuple[str, list[Measurement]]:
    from ..benchmarks import attention

    rows = _printed(attention.run_benchmark(pairs, cells))
    return "Attention with the maps of two phrases: ours / without maps", rows


def _printed(rows: Iterable[Measurement]) -> list[Measurement]:
    """Print each row as soon as it is measured, because all rows take long and a user may stop before the end."""
    found = []
    for row in rows:
        console.print(row.text)
        found.append(row)
    return found
