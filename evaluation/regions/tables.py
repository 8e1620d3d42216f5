"""The table of `styleroute evaluate regions`."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from ..method_scores import MethodScores
from ..tables import score_table
from .scores import REGION_COLUMNS

DEFINITIONS = (
    "Mean ± standard error over scenes. Maps: attention of the style phrase, mean over the captured blocks and all "
    "steps, 16 x 16 cells. IoU: cells above Otsu's threshold (no smoothing) against cells that the true mask covers by "
    "at least half. Pointing: the strongest cell is on the object. Inside: share of the attention on the object. "
    "Style: cosine of the style vectors of result and teacher's image, both cut to the object's box (by the network "
    "arbitrary_predict, which no training uses). Own style: share of results whose nearest centroid, of all styles and "
    "unstyled boxes, is that of their own style. Background (bg): pixels more than 3 pixels away from the object, "
    "compared with the photo, values in 0..1. Seam: Sobel edges added within 2 pixels of the mask's outline."
)


def region_table(methods: Sequence[MethodScores], steps: Mapping[str, Sequence[int]], styles: Sequence[str]) -> Table:
    """The scores of all methods; `steps` has the training steps of the methods with experts."""
    title = f"Regions: unseen objects and photos, styles {', '.join(styles)}"
    steps_text = {name: "/".join(f"{number:,}" for number in numbers) for name, numbers in steps.items()}
    return score_table(title, DEFINITIONS, REGION_COLUMNS, methods, steps_text)
