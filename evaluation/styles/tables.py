"""Tables of `styleroute evaluate styles` and `styleroute evaluate losses`."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from ..method_scores import MethodScores, MetricColumn
from ..tables import score_table
from .claims import LOSS
from .expert_overlap import CHANCE, PAPER, ExpertOverlap
from .expert_overlap import DEFINITION as OVERLAP_DEFINITION
from .scores import (
    COLOUR_DISTANCE,
    EDGES_KEPT,
    IMAGE_COLUMNS,
    L1,
    MS_SSIM,
    OWN_STYLE,
    OWN_TEXTURE,
    STYLE_COLUMNS,
    STYLE_SIMILARITY,
    TEXTURE_DISTANCE,
)
from .trials import StyleTrials

EXPLANATIONS = {
    TEXTURE_DISTANCE: "distance of the texture statistics of grey images (Portilla and Simoncelli, 2000) to those of "
    "the teacher's image through the VAE; colours do not count",
    OWN_TEXTURE: "share of results whose nearest style by that distance, of {competing}, is their own",
    STYLE_SIMILARITY: "cosine of the style vectors of result and style image. The network arbitrary_predict computes "
    "them, which also gives the teacher its styles: the teacher's own measure",
    OWN_STYLE: "share of results whose nearest style by these vectors is their own",
    L1: "mean absolute difference to the teacher's image",
    COLOUR_DISTANCE: "distance of means and standard deviations in CIE Lab to the teacher's image",
    MS_SSIM: "multi-scale SSIM with the teacher's image",
    EDGES_KEPT: "SSIM with the photo, on the Sobel edges of the luminance",
}
LOSS_CAPTION = "Mean ± standard error over the same styles and photos; all methods get the same noise and noise levels."

Steps = Mapping[str, int | None]
"""Training steps by method; None if not recorded."""


def style_tables(methods: Sequence[MethodScores], kind: str, trials: StyleTrials, steps: Steps) -> tuple[Table, Table]:
    """The scores of all methods, in a table for the style and one for the image; `kind` is "unseen" or "seen"."""
    title = f"{len(trials.styles)} {kind} styles, unseen photos, {trials.side} x {trials.side} pixels"
    style, image = (
        score_table(f"{title}: {part}", explain(columns, trials), columns, methods, _steps_text(steps))
        for part, columns in (("style", STYLE_COLUMNS), ("image", IMAGE_COLUMNS))
    )
    return style, image


def explain(columns: Sequence[MetricColumn], trials: StyleTrials) -> str:
    """What the columns show, and the styles."""
    competing = f"{len({row.style for row in trials.teacher})} styles"
    texts = [f"{column.heading[:-2]}: {EXPLANATIONS[column].format(competing=competing)}." for column in columns]
    styles = f"Styles: {', '.join(trials.styles)}."
    return " ".join(["Mean ± standard error over styles and photos.", *texts, styles])


def loss_table(losses: Sequence[MethodScores], steps: Steps) -> Table:
    """The flow-matching loss of all methods."""
    return score_table("Flow-matching loss", LOSS_CAPTION, (LOSS,), losses, _steps_text(steps))


def overlap_table(overlaps: Sequence[ExpertOverlap]) -> Table:
    """The IoU of chosen experts, beside the paper's."""
    table = Table(title="Overlap of the chosen experts", caption=OVERLAP_DEFINITION, caption_justify="left")
    table.add_column("pairs of style images")
    for heading in ("pairs", "IoU", "untrained routers", "paper"):
        table.add_column(heading, justify="right")
    for overlap in overlaps:
        paper = f"{PAPER[overlap.name]:.2%}" if overlap.name in PAPER else ""
        pairs = "" if overlap.name == CHANCE else f"{overlap.pairs:,}"
        untrained = "" if overlap.untrained_iou is None else f"{overlap.untrained_iou:.2%}"
        table.add_row(overlap.name, pairs, f"{overlap.iou:.2%}", untrained, paper)
    return table


def _steps_text(steps: Steps) -> dict[str, str]:
    return {name: f"{number:,}" for name, number in steps.items() if number is not None}
