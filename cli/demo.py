"""`styleroute demo`: a workflow that ships with the pack, run in a real ComfyUI on a photo."""

from pathlib import Path

from ..demo.region import region_demo
from ..demo.style import style_demo
from ..errors import DataError
from ..progress import console
from ..storage.contact_sheet import write_sheet


def run(
    photo: Path | None = None,
    style: Path | None = None,
    region: str | None = None,
    region_style: str | None = None,
    seed: int = 0,
    strength: float = 1.0,
    output: Path = Path("output") / "demo",
) -> None:
    """Paint a photo in the style of an image, or one object of it, with the small Kontext, through ComfyUI.

    Writes what goes in, the result, and its routing or its attention map as PNG, and all of them side by side in
    contact_sheet.png.

    Args:
        photo: the photo to paint; without it, a cat from scikit-image.
        style: the image whose style it shall have; without it, a painting that ships with the pack.
        region: paint this object alone, by its name, such as "the guitar"; without a photo, it is pasted into one.
        region_style: the region's style, one that a region expert of the pack is named after; by default the first.
        seed: another number gives another painting.
        strength: how strongly the style is painted, from -2 to 2.
        output: the folder for the images.
    """
    if region is None and region_style is not None:
        raise DataError(f"The region's style is '{region_style}', but no region is named; add --region OBJECT.")
    if region is not None and style is not None:
        raise DataError("A region takes its style by name; give --region-style NAME in place of --style.")
    if region is None:
        demo = style_demo(photo, style, seed, strength)
    else:
        demo = region_demo(photo, region, region_style, seed, strength)
    images = demo.run(output)
    write_sheet([images.values()], output / "contact_sheet.png", list(images))
    console.print(f"Wrote {', '.join(images)} and contact_sheet to {output.resolve()}", soft_wrap=True)
