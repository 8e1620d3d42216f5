"""`styleroute demo`: runs a workflow of the pack on a photo, in a real ComfyUI."""

from pathlib import Path

from ..demo.objects import objects_demo
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
    objects: tuple[str, ...] = (),
    seed: int = 0,
    strength: float = 1.0,
    output: Path = Path("output") / "demo",
) -> None:
    """Stylise a photo, or named objects in it, with the small Kontext in ComfyUI.

    Writes the inputs, the result, and its routing or attention map as PNG, and all images together in
    contact_sheet.png.

    Args:
        photo: the photo to stylise; the default is a cat from scikit-image.
        style: the style image; the default is an image of the pack.
        region: name of the object to stylise, such as "the guitar"; without a photo, it is pasted into one.
        region_style: style of the region: the name of a region expert in the pack; the default is the first.
        objects: up to four objects of the photo, each with a style image, such as "the guitar=STYLE.png". Without a
            photo, the objects of the scene are a guitar and an owl.
        seed: random seed of the result.
        strength: strength of the style, from -2 to 2.
        output: the folder for the images.
    """
    if region is None and region_style is not None:
        raise DataError(f"The region's style is '{region_style}', but no region is named. Add --region OBJECT.")
    if region is not None and style is not None:
        raise DataError("A region takes its style by name. Give --region-style NAME instead of --style.")
    if objects and (region, style) != (None, None):
        raise DataError("Each object takes its style from its own pair. Give --objects without --region and --style.")
    if objects:
        demo = objects_demo(photo, objects, seed, strength)
    elif region is None:
        demo = style_demo(photo, style, seed, strength)
    else:
        demo = region_demo(photo, region, region_style, seed, strength)
    images = demo.run(output)
    write_sheet([images.values()], output / "contact_sheet.png", list(images))
    console.print(f"Wrote {', '.join(images)} and contact_sheet to {output.resolve()}", soft_wrap=True)
