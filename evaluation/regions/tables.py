"""The evidence of regions as a table for a terminal."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from ..rows import Row

HEADINGS = {
    "iou": ("IoU ↑", ".3f"),
    "pointing": ("pointing ↑", ".0%"),
    "inside": ("inside ↑", ".0%"),
    "style": ("style ↑", ".3f"),
    "own_style": ("own style ↑", ".0%"),
    "mse": ("bg MSE ↓", ".4f"),
    "ssim": ("bg SSIM ↑", ".3f"),
    "seam": ("seam ↓", ".4f"),
}
"""Each column's name, with an arrow towards its better end, and the shape of its numbers."""

CAPTION = (
    "Mean ± standard error over scenes. Maps of the style's words, mean of the captured blocks and of all steps, "
    "16 x 16 cells. IoU: of the cells above Otsu's threshold (no smoothing) with those that the true mask covers by "
    "half. Pointing: the strongest cell is on the object. Inside: share of the attention on the object. Style: cosine "
    "of arbitrary_predict's vectors of result and teacher's image, both cut to the box of the mask. Own style: share "
    "whose box the judge puts nearest to its own style, among all styles and unpainted boxes. Background: farther than "
    "3 pixels from the object, to the photo, values in 0..1. Seam: edges (Sobel) added within 2 pixels of the mask's "
    "outline."
)


def score_table(rows: Sequence[Row], steps: Mapping[str, Sequence[int]], styles: Sequence[str]) -> Table:
    """A line a method; `steps` says how long those with experts were trained."""
    title = f"Regions: unseen objects and photos, styles {', '.join(styles)}"
    table = Table("method", title=title, caption=CAPTION, caption_justify="left")
    table.columns[0].no_wrap = True
    for heading in ("steps", *(heading for heading, _ in HEADINGS.values()), "images"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        trained = "/".join(f"{number:,}" for number in steps.get(row.name, ()))
        figures = (row.mean(column).text(shape) for column, (_, shape) in HEADINGS.items())
        table.add_row(row.name, trained, *figures, str(len(row.scores)))
    return table
