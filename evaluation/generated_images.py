"""Generates the images of an evaluation, each one once, and keeps them as files."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from PIL import Image

from ..dataset.scenes import IMAGE_SIDE
from ..paths import PACK, TINY_MODELS
from ..progress import track
from ..storage.disk_space import require_room
from ..storage.whole_file import whole_file

BASE_MODEL = "tiny-kontext"
"""The base model that generates all images."""
IMAGES_FOLDER = "images"
"""The folder of the images inside the folder of an evaluation."""
CODE_FOLDERS = ("moe", "attention", "nodes")
"""Folders of the pack whose code changes the images."""


class ImageJob(Protocol):
    """One image to generate; ``relative_path`` is its file, relative to the folder of all images."""

    @property
    def relative_path(self) -> Path: ...


AnyJob = TypeVar("AnyJob", bound=ImageJob)


def save_image(image: Image.Image, path: Path) -> None:
    """Write a PNG, completely or not at all."""
    with whole_file(path) as partial:
        image.save(partial, format="PNG")


def generate_missing(
    jobs: Sequence[AnyJob],
    folder: Path,
    open_generator: Callable[[], AbstractContextManager[Callable[[AnyJob], Any]]],
    save: Callable[[Any, Path], None] = save_image,
    pixels: int = IMAGE_SIDE**2,
    share: Callable[[Sequence[AnyJob]], Sequence[AnyJob]] = lambda missing: missing,
) -> dict[AnyJob, Path]:
    """Generate the images that do not exist yet. An interruption loses at most one image.

    Args:
        jobs: the images.
        folder: folder of all images.
        open_generator: opens the function that generates an image; not called if no image is missing.
        save: writes a generated image and its further files. It must write the image last.
        pixels: number of pixels of the largest image.
        share: chooses the missing images that this process generates, if several processes share the work.

    Returns:
        The image file of each job.

    Raises:
        StorageError: the disk has no room for the images.
        ComfyError: an image could not be generated.
    """
    paths = {job: folder / job.relative_path for job in jobs}
    missing = share([job for job, path in paths.items() if not path.exists()])
    if not missing:
        return paths
    require_room(folder, len(missing) * pixels * 3, f"{len(missing)} images")
    with open_generator() as generate:
        for job in track(missing, "images"):
            save(generate(job), paths[job])
    return paths


def recorded_files(jobs: Iterable[ImageJob]) -> list[str]:
    """The image files of jobs as `scores.json` names them: relative to the folder of the evaluation."""
    return [Path(IMAGES_FOLDER, job.relative_path).as_posix() for job in jobs]


def images_folder(name: str, settings: str, files: Iterable[Path]) -> str:
    """The name of the folder for a method's images.

    It ends with a digest of the method's settings, its files, the base model's weights and the nodes' code. A method
    that changed therefore gets a new folder.

    Args:
        name: the method's name.
        settings: the method's settings in one line.
        files: the method's expert and workflow files.
    """
    code = (path for folder in CODE_FOLDERS for path in sorted((PACK / folder).rglob("*.py")))
    return digest_folder(name, settings, (*files, *sorted(TINY_MODELS.glob("*.safetensors")), *code))


def digest_folder(name: str, settings: str, files: Iterable[Path]) -> str:
    """The name of a folder: the name in lower case, and a digest of the settings and of the files' contents."""
    digest = hashlib.sha256(settings.encode())
    for path in files:
        digest.update(file_digest(path).encode())
    words = "".join(letter if letter.isalnum() else " " for letter in name.lower()).split()
    return f"{'_'.join(words)}-{digest.hexdigest()[:12]}"


def file_digest(path: Path) -> str:
    """SHA-256 of a file as hexadecimal digits; read again only after the file changed."""
    return _digest_of(path, path.stat().st_mtime_ns)


@cache
def _digest_of(path: Path, modified: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
