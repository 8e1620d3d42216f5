"""Generates the images of a protocol's trials for one system, each image once, in one or several processes."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ...progress import console
from ...storage.whole_file import whole_file
from ...training.adapters.sharing import SharedWork
from ..generated_images import digest_folder, generate_missing
from .result_folders import ResultFolder

IMAGES, SETTINGS_FILE = "images", "settings.json"

OpenTrialGenerator = Callable[[], AbstractContextManager[Callable[[Any], Image.Image]]]
"""Opens the function that generates the image of a trial; only called if an image is missing."""


@dataclass(frozen=True)
class GeneratingSystem:
    """A system that generates its images here.

    Attributes:
        name: name of the system in tables.
        settings: everything that changes the images, except the files.
        files: expert and workflow files, which change the images, too.
        open_generator: opens the function that generates the image of a trial.
        pixels: number of pixels of the largest image.
    """

    name: str
    settings: Mapping[str, Any]
    files: Sequence[Path]
    open_generator: OpenTrialGenerator
    pixels: int = 1024**2


def generate_trials(
    system: GeneratingSystem, trials: Sequence[Any], output: Path, inputs: Iterable[Path], work: SharedWork
) -> ResultFolder:
    """Generate the images that do not exist yet. A stopped run continues; other settings have another folder.

    Args:
        system: the system.
        trials: the protocol's trials, in an order that seldom changes the style.
        output: folder of the protocol; the images are in `images/<name>-<digest>`.
        inputs: images that the trials read; changed ones change the digest, too.
        work: shares the trials among the processes.

    Raises:
        StyleRouteError: an image cannot be generated, or the disk has no room.
    """
    settings = json.dumps(dict(system.settings), indent=1, sort_keys=True, ensure_ascii=False, default=str)
    folder = output / IMAGES / digest_folder(system.name, settings, (*system.files, *inputs))
    if work.is_first:
        _write_settings(folder, settings)
        done = sum((folder / trial.relative_path).exists() for trial in trials)
        console.print(f"{system.name}: {done:,} of {len(trials):,} images are in {folder}", soft_wrap=True)
    generate_missing(trials, folder, system.open_generator, pixels=system.pixels, share=work.share)
    work.wait()
    return ResultFolder(system.name, folder)


def _write_settings(folder: Path, settings: str) -> None:
    """Write what the digest in the folder's name stands for."""
    with whole_file(folder / SETTINGS_FILE) as partial:
        partial.write_text(settings, encoding="utf-8")
