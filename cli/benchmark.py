"""`styleroute benchmark`: all ratios of speed and memory, or one group of them, and a cost model of the full model.

It also measures the error of a style in each form of weight storage, and counts operations and parameters.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from ..benchmarks.budget import Budget
from ..benchmarks.cases import HIDDEN
from ..benchmarks.machine import load_text, machine_text
from ..benchmarks.measurement import Measurement, table
from ..benchmarks.results import Result, rows_of
from ..errors import StyleRouteError
from ..progress import console

MINUTES, FULL_SIZE_MINUTES = 20.0, 10.0
"""Time limits of all ratios on small models, and on the full model."""


def run(
    what: Annotated[
        Literal["all", "nodes", "branch", "storage", "training", "attention", "cost"], tyro.conf.Positional
    ] = "all",
    pairs: int | None = None,
    cells: int | None = None,
    cpu_time: bool = False,
    hidden: tuple[int, ...] = HIDDEN,
    minutes: float | None = None,
    plot: Path | None = None,
    full_size: bool = False,
) -> None:
    """Print time ratios; both sides alternate within one run. The exit code is 1 if a limit is exceeded.

    all: one table of all ratios with their limits, and of other methods beside them: the stock LoRA loader, core's
    bypass LoRA, PEFT's LoRA, PEFT with all experts at once (X-LoRA), one product per expert, and maps from the whole
    softmax. Random models of several hidden sizes are measured, up to FLUX.1's with few blocks. A cost model predicts
    the full FLUX.1 Kontext on graphics cards with 12, 24 and 80 GB, and is compared with the measured models.

    --full-size: the same ratios on one graphics card, with FLUX.1 Kontext's 19 + 38 blocks and random weights in bf16
    and fp8, the peak memory, and the time to move a style. Without a graphics card, the plan is printed.

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
    the paper's number of parameters, and prints the cost model of graphics cards.

    Args:
        what: all ratios, or one group: the nodes or the branch against ComfyUI, the trainers against plain ones, or the
            methods for a map; or the error of a style in stored weights, or counted operations and parameters.
        pairs: largest number of measurements of each side: 7 for ComfyUI (changes of style five times as often) and for
            attention, 3 for training.
        cells: side of the latents; the default is 32 for all ratios, 128 at full size, and 64 otherwise. Half of it
            takes less than a quarter of the time. The measurement "nodes" always uses 64.
        cpu_time: count the time of ComfyUI on the CPU instead of the time that passes: other programs disturb it less.
            For all ratios and for the branch.
        hidden: hidden sizes of the models for all ratios, from small to large. Limits apply from 1024.
        minutes: time limit for all ratios (20), or for the full size (10). Each measurement gets its share, and is
            printed when it ends. What remains at the limit is left out, with a line that says so.
        plot: for all ratios, also write this PNG or SVG file: the ratios against the hidden size.
        full_size: measure the full FLUX.1 Kontext on the graphics card.
    """
    _require_fitting(what, minutes, plot, full_size, cells)
    if what == "all":
        console.print(f"{machine_text()}\n{load_text()}", soft_wrap=True)
    if full_size:
        _full_size(pairs or 7, cells, minutes or FULL_SIZE_MINUTES)
    elif what == "all":
        _all(pairs or 7, cells or 32, cpu_time, hidden, minutes or MINUTES, plot)
    elif what == "storage":
        _storage()
    elif what == "cost":
        _cost()
    elif what == "nodes":
        _nodes(pairs or 7)
    elif what == "branch":
        _branch(pairs or 7, cells or 64, cpu_time)
    elif what == "training":
        _training(pairs or 3, cells or 64)
    else:
        _attention(pairs or 7, cells or 64)


def _require_fitting(what: str, minutes: float | None, plot: Path | None, full_size: bool, cells: int | None) -> None:
    """Requires that the options belong together, before anything is measured."""
    if what != "all" and (full_size or plot is not None or minutes is not None):
        raise StyleRouteError(
            f"--full-size, --plot and --minutes are for all ratios, but {what} was chosen. Leave {what} out."
        )
    if full_size and plot:
        raise StyleRouteError("--full-size measures one size, so there is no growth to plot. Leave --plot out.")
    if minutes is not None and minutes <= 0:
        raise StyleRouteError(f"The time limit is {minutes:g} minutes, expected more than 0.")
    if cells is not None and (cells < 4 or cells % 2):
        raise StyleRouteError(f"The latents have a side of {cells}, expected an even number of 4 or more.")


def _all(pairs: int, cells: int, cpu_time: bool, hidden: Sequence[int], minutes: float, plot: Path | None) -> None:
    from ..benchmarks import all_ratios, growth, growth_plot
    from ..benchmarks.comfy_ratios import CaseResult
    from ..benchmarks.devices import this_machine

    if plot is not None:
        growth_plot.require_plot_file(plot)
    models = all_ratios.models(hidden, cells)
    device = this_machine(cpu_time=cpu_time)
    found = _reported(
        all_ratios.run_benchmark(models, pairs, Budget(60 * minutes), cpu_time),
        "All ratios: ours / theirs",
        f"Limits apply from hidden size 1024. Latents of {cells} x {cells} with one reference.",
    )
    cases = [each for each in found if isinstance(each, CaseResult)]
    compared = growth.compare(cases, device)
    console.print(growth.growth_table(compared, device))
    _print_cards()
    if plot is not None:
        console.print(f"Wrote {growth_plot.plot_growth(plot, cases, compared)}", soft_wrap=True)
    _exit_if_missed(rows_of(found))


def _full_size(pairs: int, cells: int | None, minutes: float) -> None:
    from dataclasses import replace

    from ..benchmarks import full_size, full_size_plan
    from ..benchmarks.machine import gpu_text

    sizes = full_size.KONTEXT if cells is None else replace(full_size.KONTEXT, cells=cells)
    if not gpu_text():
        console.print(
            "No graphics card was found that torch can use, so nothing is measured. This is the plan, counted on the "
            "meta device:\n" + full_size_plan.plan_text(sizes),
            soft_wrap=True,
        )
        console.print(full_size_plan.plan_table(sizes))
        _print_cards()
        return
    found = _reported(
        full_size.run_full_size(pairs, Budget(60 * minutes), sizes),
        "The full FLUX.1 Kontext with random weights: ours / theirs",
        f"{machine_text()}. Latents of {sizes.cells} x {sizes.cells} with one reference.",
    )
    _print_cards()
    _exit_if_missed(rows_of(found))


def _nodes(pairs: int) -> None:
    from ..benchmarks import nodes

    _exit_if_missed(rows_of(_reported(nodes.run_benchmark(pairs), "StyleRoute in ComfyUI: ours / theirs")))


def _branch(pairs: int, cells: int, cpu_time: bool) -> None:
    from ..benchmarks import branch

    title = "Styles at run time: ours / the same model without them"
    _exit_if_missed(rows_of(_reported(branch.run_benchmark(pairs, cells, cpu_time), title)))


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
    _print_cards()


def _print_cards() -> None:
    """Print the cost model of graphics cards with its assumptions."""
    from ..benchmarks.card_costs import assumptions, card_costs, card_tables

    console.print(*card_tables(list(card_costs())))
    console.print(assumptions())


def _training(pairs: int, cells: int) -> None:
    from ..benchmarks import experts, regions

    rows = chain(experts.run_benchmark(pairs, cells), regions.run_benchmark(pairs, cells))
    title = "Training steps: Stage 2 / PEFT LoRA of the kept rank, region expert / the same without its losses"
    _exit_if_missed(rows_of(_reported(rows, title)))


def _attention(pairs: int, cells: int) -> None:
    from ..benchmarks import attention

    title = "Attention with the maps of two phrases: ours / without maps"
    _exit_if_missed(rows_of(_reported(attention.run_benchmark(pairs, cells), title)))


def _reported(results: Iterable[Result], title: str, caption: str = "") -> list[Any]:
    """Print each result as soon as it is measured, and the table at the end, or when the user stops the run."""
    found: list[Result] = []
    try:
        for result in results:
            found.append(result)
            for line in [result] if isinstance(result, str) else [row.text for row in rows_of([result])]:
                console.print(line, soft_wrap=True, markup=False)
    finally:
        if rows := rows_of(found):
            console.print(table(title, rows, caption))
    return found


def _exit_if_missed(rows: Sequence[Measurement]) -> None:
    if not all(row.passed for row in rows):
        raise SystemExit(1)
