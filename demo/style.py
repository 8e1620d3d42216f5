"""The demo that stylises a whole photo in the style of an image."""

from pathlib import Path

from ..paths import PACK
from ..storage.image_reader import read_image
from .demo import Demo
from .images import cat_photo, square

WORKFLOW = PACK / "example_workflows" / "style_transfer.json"


def style_demo(photo: Path | None, style: Path | None, seed: int, strength: float) -> Demo:
    """Returns the demo. The default photo is a cat; the default style image ships with the pack.

    Raises:
        DataError: an image cannot be read.
    """
    content = read_image(photo) if photo else cat_photo()
    style_image = read_image(style or min((PACK / "assets").glob("style_*.png")))
    return Demo(
        workflow=WORKFLOW,
        images={"content": square(content), "style": square(style_image)},
        loaders={"content": "Photo", "style": "Style image"},
        values={"Noise": {"noise_seed": seed}, "MoE Apply": {"strength": strength}},
        results={"result": "Result", "routing": "Routing"},
    )
