"""`styleroute benchmark`: the pack against bare ComfyUI, the trainer against PEFT, or the ways to a map, as a table."""

from collections.abc import Iterable
from itertools import chain
from typing import Annotated, Literal

import tyro

from ..benchmarks.measurement import Measurement, table
from ..progress import console


def run(
    what: Annotated[Literal["nodes", "training", "attention"], tyro.conf.Positional] = "nodes",
    pairs: int | None = None,
    cells: int = 64,
) -> None:
    """Print ratios, both sides alternating in one run; the exit code is 1 if a limit is missed.

    nodes: inside a real ComfyUI, a random Flux of hidden size 1024 (2 double and 4 single blocks) on 64 x 64 latents
    with one reference. The encoding of the style image is not part of a change of style. Maps are captured of every
    block at every step, with two attention functions; the naive way, a whole softmax, is shown for comparison.

    training: a step of Stage 2 on the same sizes in diffusers, 16 experts of rank 8 with 2 kept, against PEFT's LoRA of
    rank 24, with a different style for each image; and a step of a region expert with Focus and Cover loss, as either
    preset has them, against the same step without.

    attention: the exact ways to a map, and the whole softmax, beside PyTorch's attention without maps, on 8 heads of
    128; on a graphics card if there is one.

    Args:
        what: the nodes against bare ComfyUI, the trainers against plainer ones, or the ways to a map.
        pairs: how often each side is measured: 7 for the nodes (changes of style five times as often, captured
            steps, which take longest, half as often) and for attention, 3 for training.
        cells: side of the latents of a training step or of attention; 32 in the place of 64 takes less than a quarter
            of the time.
    """
    if what == "nodes":
        title, rows = _nodes(pairs or 7)
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


def _training(pairs: int, cells: int) -> tuple[str, list[Measurement]]:
    from ..benchmarks import experts, regions

    with console.status("Measuring training steps"):
        rows = _told(chain(experts.run_benchmark(pairs, cells), regions.run_benchmark(pairs, cells)))
    return "Training steps: Stage 2 / PEFT LoRA of the kept rank, region expert / the same without its losses", rows


def _attention(pairs: int, cells: int) -> tuple[str, list[Measurement]]:
    from ..benchmarks import attention

    return "Attention with the maps of two phrases: ours / without maps", _told(attention.run_benchmark(pairs, cells))


def _told(rows: Iterable[Measurement]) -> list[Measurement]:
    """Each is printed as soon as it is measured: the whole takes long, and may be stopped."""
    found = []
    for row in rows:
        console.print(row.text)
        found.append(row)
    return found
