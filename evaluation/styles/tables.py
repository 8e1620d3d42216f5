"""Tables of `styleroute evaluate styles` and `styleroute evaluate losses`."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from ..method_scores import MethodScores
from ..tables import score_table
from .claims import LOSS
from .expert_overlap import CHANCE, PAPER, ExpertOverlap
from .expert_overlap import DEFINITION as OVERLAP_DEFINITION
from .scores import STYLE_COLUMNS

SCORES_CAPTION = (
    "Mean ± standard error over styles and photos. Styles: {styles}. Style similarity: cosine of the style vectors of "
    "result and style image (by the network arbitrary_predict, which no training uses). MS-SSIM, L1: to the teacher's "
    "image. Edges kept: SSIM with the photo, on the Sobel edges of the luminance. Own style: share of results whose "
    "nearest style centroid is that of their own style (centroids of the teacher's images of other contents)."
)
LOSS_CAPTION = "Mean ± standard error over the same styles and photos; all methods get the same noise and noise levels."

Steps = Mapping[str, int | None]
"""Training steps by method; None if not recorded."""


def style_table(methods: Sequence[MethodScores], kind: str, styles: Sequence[str], steps: Steps) -> Table:
    """The scores of all methods; `kind` is "unseen" or "seen"."""
    title = f"{len(styles)} {kind} styles, unseen photos"
    caption = SCORES_CAPTION.format(styles=", ".join(styles))
    return score_table(title, caption, STYLE_COLUMNS, methods, _steps_text(steps))


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
