"""Images of the demo: opened, brought to the small Kontext's size, and side by side."""

import numpy as np
from PIL import Image, ImageDraw, ImageOps

SIDE, MARGIN, CAPTION = 256, 16, 24


def contact_sheet(images: dict[str, Image.Image]) -> Image.Image:
    """The images side by side at one height, each with its name below."""
    shown = {name: ImageOps.contain(image.convert("RGB"), (4 * SIDE, SIDE)) for name, image in images.items()}
    width = sum(image.width + MARGIN for image in shown.values()) + MARGIN
    sheet = Image.new("RGB", (width, SIDE + 2 * MARGIN + CAPTION), "white")
    draw, left = ImageDraw.Draw(sheet), MARGIN
    for name, image in shown.items():
        sheet.paste(image, (left, MARGIN + (SIDE - image.height) // 2))
        draw.text((left, MARGIN + SIDE + 8), name, fill="black")
        left += image.width + MARGIN
    return sheet


def square(image: Image.Image) -> Image.Image:
    """The middle, [256, 256]."""
    return ImageOps.fit(image, (SIDE, SIDE), Image.Resampling.LANCZOS)


def cat_photo() -> Image.Image:
    """scikit-image's cat."""
    from skimage import data

    return Image.fromarray(np.asarray(data.chelsea()))
