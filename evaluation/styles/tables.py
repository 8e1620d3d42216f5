"""The evidence for styles as tables for a terminal."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from ..rows import Row
from .overlap import CAPTION, CHANCE, PAPER, Overlap

HEADINGS = {
    "judge": "judge cosine ↑",
    "ms_ssim": "MS-SSIM ↑",
    "l1": "L1 ↓",
    "content": "edges kept ↑",
    "own_style": "own style ↑",
}
"""Each column's name, with an arrow towards its better end."""


def score_table(rows: Sequence[Row], kind: str, styles: Sequence[str], steps: Mapping[str, int | None]) -> Table:
    """Mean and standard error of each column; `kind` is "unseen" or "seen", `steps` the training of each method."""
    table = Table(title=f"{len(styles)} {kind} styles, unseen photos", caption=_caption(styles), caption_justify="left")
    table.add_column("method", no_wrap=True)
    for heading in ("steps", *HEADINGS.values(), "images"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row.name, _told(steps, row), *(_cell(row, column) for column in HEADINGS), str(len(row.scores)))
    return table


def loss_table(rows: Sequence[Row], steps: Mapping[str, int | None]) -> Table:
    """Mean and standard error of the flow-matching loss."""
    caption = "Mean ± standard error over the same styles and photos; noise and noise levels are the same for all."
    table = Table(title="Flow-matching loss", caption=caption, caption_justify="left")
    table.add_column("method", no_wrap=True)
    for heading in ("steps", "loss ↓"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row.name, _told(steps, row), row.mean("loss").text(".4f"))
    return table


def overlap_table(overlaps: Sequence[Overlap]) -> Table:
    """IoU of the chosen experts, beside the paper's."""
    table = Table(title="Overlap of the chosen experts", caption=CAPTION, caption_justify="left")
    table.add_column("pairs of style images")
    for heading in ("pairs", "IoU", "untrained routers", "paper"):
        table.add_column(heading, justify="right")
    for overlap in overlaps:
        paper = f"{PAPER[overlap.name]:.2%}" if overlap.name in PAPER else ""
        pairs = "" if overlap.name == CHANCE else f"{overlap.pairs:,}"
        untrained = "" if overlap.untrained is None else f"{overlap.untrained:.2%}"
        table.add_row(overlap.name, pairs, f"{overlap.iou:.2%}", untrained, paper)
    return table


def _told(steps: Mapping[str, int | None], row: Row) -> str:
    trained = steps.get(row.name)
    return "" if trained is None else f"{trained:,}"


def _cell(row: Row, column: str) -> str:
    return row.mean(column).text(".0%" if column == "own_style" else ".3f")


def _caption(styles: Sequence[str]) -> str:
    return (
        f"Mean ± standard error over styles and photos. Styles: {', '.join(styles)}. Judge: cosine of "
        "arbitrary_predict's vectors of result and style image. MS-SSIM, L1: to the teacher's image. Edges: SSIM "
        "of the luminances' Sobel edges to the photo's. Own style: share that the judge puts nearest to its own "
        "style's centroid (the teacher's images of other contents)."
    )
