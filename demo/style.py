"""The whole photo in the style of a picture."""

from pathlib import Path

from ..paths import PACK
from .demo import Demo
from .images import cat_photo, open_picture, square

WORKFLOW = PACK / "example_workflows" / "style_transfer.json"


def style_demo(photo: Path | None, style: Path | None, seed: int, strength: float) -> Demo:
    """Without a photo, a cat; without a style picture, a painting that ships with the pack.

    Raises:
        DataError: a picture cannot be opened.
    """
    content = open_picture(photo) if photo else cat_photo()
    painting = open_picture(style or min((PACK / "assets").glob("style_*.png")))
    return Demo(
        workflow=WORKFLOW,
        pictures={"content": square(content), "style": square(painting)},
        loaders={"content": "Photo", "style": "Style picture"},
        values={"KSampler": {"seed": seed}, "MoE Apply": {"strength": strength}},
        results={"result": "Result", "routing": "Routing"},
    )
