"""The tables of `styleroute calibrate`."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from .calibrate import Calibration
from .capturing import KINDS
from .scores import Figures, MeasuredMaps

CAPTION = (
    "inside: share of the map on its object. IoU: of the map, above Otsu's threshold, with the object. own: share of "
    "the object's cells that are nearer to their own phrase than to the other phrase, in scenes of two objects. mask: "
    "IoU of the finished mask of MoE Apply with the object."
)
ALL = "all"


def block_table(measured: MeasuredMaps, model: str) -> Table:
    """Attention maps of each block alone: inside, IoU and own at each noise level, over all scenes."""
    table = _table(f"Attention to the object's words by block, {model}", ("block",), measured.noise)
    for block in measured.blocks:
        table.add_row(block, *_cells(measured.figures(KINDS[0], [block], level) for level in measured.noise))
    return table


def kind_table(calibration: Calibration, model: str) -> Table:
    """Both kinds of maps of a model: their chosen blocks and the mean of all blocks, for one and for two objects."""
    measured, noise = calibration.measured[model], calibration.config.noise
    table = _table(f"Two kinds of maps, {model}", ("map", "blocks", "objects"), noise)
    for kind in KINDS:
        chosen = calibration.blocks[kind]
        for name, blocks in ((", ".join(chosen), chosen), (ALL, measured.blocks)):
            for count in measured.counts:
                figures = (measured.figures(kind, blocks, level, count) for level in noise)
                table.add_row(kind, name, str(count), *_cells(figures))
    return table


def _table(title: str, headings: Sequence[str], noise: Sequence[float]) -> Table:
    table = Table(*headings, title=title, caption=CAPTION, caption_justify="left")
    for level in noise:
        for name in ("inside", "IoU", "own", "mask"):
            table.add_column(f"{name}\nat {level:g}", justify="right", no_wrap=True)
    return table


def _cells(figures: "Iterator[Figures]") -> Iterator[str]:
    for each in figures:
        yield f"{each.inside:.0%}"
        yield f"{each.iou:.2f}"
        yield "" if each.own != each.own else f"{each.own:.0%}"
        yield f"{each.mask:.2f}"
