"""The user's own images and prompts for validation sheets, listed in a file of JSON lines.

    {"image": "cat.jpg", "style": "oil.png", "prompt": "a cat on a chair"}

Paths are relative to the file. Region experts need no style image, because the prompt names the style.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from ...errors import TrainingError
from ...storage.image_reader import image_size, read_image
from ...storage.text_reader import read_text
from .validation import IMAGES

LAYOUT = 'give lines such as {"image": "cat.jpg", "style": "oil.png", "prompt": "a cat"}'


@dataclass(frozen=True)
class OwnSample:
    """One row of a validation sheet. `style` is None for a region expert."""

    image: Path
    style: Path | None
    prompt: str


def read_own_samples(path: Path | None, with_style: bool) -> list[OwnSample]:
    """The first IMAGES samples of the file; empty without a file.

    Args:
        path: the file.
        with_style: whether each sample needs a style image.

    Raises:
        DataError: the file is missing or no text.
        TrainingError: a line is no sample, or an image is missing or broken.
    """
    if path is None:
        return []
    lines = [(number, line) for number, line in enumerate(read_text(path).splitlines(), 1) if line.strip()]
    if not lines:
        raise TrainingError(f"{path} has no sample: {LAYOUT}")
    return [_read(path, number, line, with_style) for number, line in lines[:IMAGES]]


def fit_own_samples(samples: Sequence[OwnSample], size: tuple[int, int], folder: Path) -> list[OwnSample]:
    """Copies of the samples whose images are cut and resized to the size of the training images.

    Args:
        samples: the samples.
        size: width and height in pixels.
        folder: folder of the resized images.
    """
    folder.mkdir(parents=True, exist_ok=True)
    fitted = []
    for number, sample in enumerate(samples):
        image = _fit(sample.image, size, folder / f"{number}_image.png")
        style = sample.style and _fit(sample.style, size, folder / f"{number}_style.png")
        fitted.append(OwnSample(image, style, sample.prompt))
    return fitted


def _read(path: Path, number: int, line: str, with_style: bool) -> OwnSample:
    try:
        row: dict[str, Any] = json.loads(line)
        image, prompt = path.parent / row["image"], str(row["prompt"])
        style = path.parent / row["style"] if with_style else None
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path}, line {number}, is no sample ({error!r}): {LAYOUT}") from error
    for file in (image, *((style,) if style else ())):
        if image_size(file) is None:
            raise TrainingError(f"{path}, line {number}, names the image {file}, which is missing or broken: {LAYOUT}")
    return OwnSample(image, style, prompt)


def _fit(source: Path, size: tuple[int, int], target: Path) -> Path:
    ImageOps.fit(read_image(source), size, Image.Resampling.LANCZOS).save(target)
    return target
