"""One object of the photo, by its name, in the style of a region expert."""

import os
import random
from pathlib import Path

import numpy as np
from PIL import Image

from ..attention.phrases import style_stem
from ..dataset.objects import OBJECTS, load_objects
from ..dataset.photos import Photo
from ..dataset.region_manifest import region_prompt
from ..dataset.scenes import make_scene
from ..errors import DataError
from ..moe import StyleExpert
from ..paths import PACK, TINY_MODELS
from ..storage.image_reader import read_image
from .demo import Demo
from .images import SIDE, cat_photo, square

WORKFLOW = PACK / "example_workflows" / "region_style.json"
TRAINING = "`styleroute data regions` and `styleroute train region --preset small`"
DEFAULT_STYLE = "indigo dots"
"""The one that the example workflow asks for, too."""
BESIDE = ("owl", "ball")
"""A second object, which must stay as it is."""


def region_demo(photo: Path | None, region: str, style: str | None, seed: int, strength: float) -> Demo:
    """Without a photo, a scene with the object; without a style, the workflow's own.

    Raises:
        DataError: there is no such expert, or no such image.
    """
    thing = region.strip().removeprefix("the ").strip()
    if not thing:
        raise DataError('The region is empty; name an object of the photo, for instance --region "the guitar".')
    expert, style = choose_expert(style, shipped_experts())
    sampler = {"seed": seed, "region_expert": expert.name, "expert_strength": strength}
    return Demo(
        workflow=WORKFLOW,
        images={"content": square(read_image(photo) if photo else scene_with(thing))},
        loaders={"content": "Photo"},
        values={"Prompt": {"text": region_prompt(thing, style)}, "RegionRoute Sampler": sampler},
        results={"map": "Map", "result": "Result"},
    )


def shipped_experts() -> dict[str, Path]:
    """The region experts of the small Kontext by their style's name."""
    folder = Path(os.environ.get("TINY_KONTEXT_MODELS") or TINY_MODELS) / "style_experts"
    experts = [StyleExpert.open(path) for path in sorted(folder.glob("*.safetensors"))]
    return {
        (expert.training or {}).get("style", expert.path.stem): expert.path
        for expert in experts
        if expert.config.is_lora
    }


def choose_expert(style: str | None, shipped: dict[str, Path]) -> tuple[Path, str]:
    """The file of a style, and the style's name as it was trained; capitals and hyphens do not count.

    Raises:
        DataError: there is none.
    """
    if not shipped:
        raise DataError(
            f"There is no region expert in {TINY_MODELS / 'style_experts'}, so that --region has nothing to paint "
            f"with; {TRAINING} make some."
        )
    style = style or (DEFAULT_STYLE if DEFAULT_STYLE in shipped else next(iter(shipped)))
    for name, path in shipped.items():
        if style_stem(name) == style_stem(style):
            return path, name
    there = ", ".join(f"'{name}'" for name in shipped)
    raise DataError(
        f"No region expert of the style '{style}' ships with this pack, only {there}; give one of them as "
        f"--region-style, or make your own by {TRAINING}, and copy its file into {TINY_MODELS / 'style_experts'}."
    )


def scene_with(thing: str) -> Image.Image:
    """A photo with the object pasted in, and a second one, as the data set for regions has them.

    Raises:
        DataError: there is no such object.
    """
    shipped = PACK / "assets" / f"scene_{thing}.png"
    if shipped.is_file():
        return read_image(shipped)
    if thing not in OBJECTS:
        raise DataError(
            f"There is no '{thing}' to paste into a photo; give a photo that shows one with --photo, or name one of "
            f"{', '.join(OBJECTS)}."
        )
    beside = next(name for name in BESIDE if name != thing)
    cutouts = [cutout for cutout in load_objects() if cutout.name in (thing, beside)]
    scene = make_scene(Photo("cat", np.asarray(cat_photo())), cutouts, 2, SIDE, random.Random(thing), crop=False)
    return Image.fromarray((scene.image * 255).round().astype(np.uint8))
