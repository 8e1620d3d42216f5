"""`styleroute demo`: runs an example workflow of the pack on a photo, in a real ComfyUI."""

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
    """Stylise a photo, or one object in it, with the small Kontext in ComfyUI.

    Writes the input images, the result, and its routing or attention map as PNG files, and all of them side by side
    to contact_sheet.png.

    Args:
        photo: the photo to stylise; by default a cat from scikit-image.
        style: the style image; by default one that ships with the pack.
        region: stylise only this object, for instance "the guitar"; without a photo, the object is pasted into one.
        region_style: style name of a region expert of the pack; by default "indigo dots".
        seed: seed of the noise; another seed gives another image.
        strength: strength of the style, -2 to 2.
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
