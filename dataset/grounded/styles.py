"""The styles of region samples: a name for the prompt, and what makes a stylist use the style."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError
from ...storage.image_reader import image_size

_NAME = re.compile(r"\w[\w -]*")


@dataclass(frozen=True)
class GroundedStyle:
    """A style of region samples.

    Attributes:
        name: the style's words in the prompt, such as "pixel-art".
        prompt: the instruction to a stylist for the whole image.
        image: a style image, for stylists that take one.
        lora: a LoRA of the style: a file for diffusers, or its name on a ComfyUI server.
    """

    name: str
    prompt: str
    image: Path | None = None
    lora: str | None = None

    @property
    def folder(self) -> str:
        """The name of the style's folder of images."""
        return self.name.replace(" ", "_")

    @property
    def record(self) -> dict[str, str | None]:
        """The style for a report."""
        return {**vars(self), "image": None if self.image is None else str(self.image)}


def parse_styles(texts: Sequence[str]) -> list[GroundedStyle]:
    """The styles of texts such as "pixel-art", "ink=an ink drawing", "oil=oil.png" or "ink=ink.safetensors".

    Raises:
        DataError: a name has other characters than letters, digits, spaces and hyphens, or stands twice.
    """
    styles = [_style(*text.partition("=")[::2]) for text in texts]
    for number, style in enumerate(styles):
        if not _NAME.fullmatch(style.name):
            raise DataError(
                f"The style is named {style.name!r}, expected letters, digits, spaces and hyphens: give another name."
            )
        if style.folder in {one.folder for one in styles[:number]}:
            raise DataError(f"The style {style.name!r} is given twice, expected each style once: leave one out.")
    return styles


def _style(name: str, value: str) -> GroundedStyle:
    name, value = name.strip(), value.strip()
    usual = f"make the image in {name} style"
    if value.lower().endswith(".safetensors"):
        return GroundedStyle(name, usual, lora=value)
    if image_size(Path(value)) is not None if value else False:
        return GroundedStyle(name, usual, image=Path(value))
    if value.lower().endswith((".png", ".jpg", ".jpeg", ".webp")):
        raise DataError(f"The style {name!r} has no readable image {value}: check the path.")
    return GroundedStyle(name, value or usual)
