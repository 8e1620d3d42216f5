"""The demo that stylises one named object of a photo with a region expert."""

import os
import random
from pathlib import Path

import numpy as np
from PIL import Image

from ..attention.phrases import style_stem
from ..dataset.objects import OBJECTS, load_objects
from ..dataset.photos import Photo
from ..dataset.region_manifest import region_prompt
from ..dataset.scenes import IMAGE_SIDE, make_scene
from ..errors import DataError
from ..moe import StyleExpert
from ..paths import PACK, TINY_MODELS
from ..storage.image_reader import read_image
from .demo import Demo
from .images import cat_photo, square

WORKFLOW = PACK / "example_workflows" / "region_style.json"
HOW_TO_TRAIN = "`styleroute data regions` and `styleroute train region --preset small`"
DEFAULT_STYLE = "indigo dots"
"""The style that the example workflow asks for."""
SECOND_OBJECTS = ("owl", "ball")
"""Names of a second object in the scene, which must stay as it is; the first one that differs is used."""


def region_demo(photo: Path | None, region: str, style: str | None, seed: int, strength: float) -> Demo:
    """Returns the demo. The default photo is a scene with the object; the default style is the workflow's.

    Raises:
        DataError: no region expert has the style, or the photo cannot be read.
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
    """Returns the region experts of the small Kontext by style name."""
    folder = Path(os.environ.get("TINY_KONTEXT_MODELS") or TINY_MODELS) / "style_experts"
    experts = [StyleExpert.open(path) for path in sorted(folder.glob("*.safetensors"))]
    return {
        (expert.training or {}).get("style", expert.path.stem): expert.path
        for expert in experts
        if expert.config.is_lora
    }


def choose_expert(style: str | None, shipped: dict[str, Path]) -> tuple[Path, str]:
    """Returns the expert file of a style, and the name of the style in training. Capitals and hyphens do not count.

    Raises:
        DataError: no region expert has this style.
    """
    if not shipped:
        raise DataError(
            f"There is no region expert in {TINY_MODELS / 'style_experts'}, but --region needs one. "
            f"Train one with {HOW_TO_TRAIN}."
        )
    style = style or (DEFAULT_STYLE if DEFAULT_STYLE in shipped else next(iter(shipped)))
    for name, path in shipped.items():
        if style_stem(name) == style_stem(style):
            return path, name
    known = ", ".join(f"'{name}'" for name in shipped)
    raise DataError(
        f"No region expert of the style '{style}' ships with this pack, only {known}. Give one of them as "
        f"--region-style, or train one with {HOW_TO_TRAIN} and copy its file into {TINY_MODELS / 'style_experts'}."
    )


def scene_with(thing: str) -> Image.Image:
    """Returns a photo with the object and a second object pasted in, like the scenes of the region dataset.

    Raises:
        DataError: no object has this name.
    """
    shipped = PACK / "assets" / f"scene_{thing}.png"
    if shipped.is_file():
        return read_image(shipped)
    if thing not in OBJECTS:
        raise DataError(
            f"No object is called '{thing}', expected one of {', '.join(OBJECTS)}. Name one of them, or give your own "
            "photo with --photo."
        )
    beside = next(name for name in SECOND_OBJECTS if name != thing)
    cutouts = [cutout for cutout in load_objects() if cutout.name in (thing, beside)]
    scene = make_scene(Photo("cat", np.asarray(cat_photo())), cutouts, 2, IMAGE_SIDE, random.Random(thing), crop=False)
    return Image.fromarray((scene.image * 255).round().astype(np.uint8))
