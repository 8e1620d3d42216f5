"""Keeps each distinct image of an imported dataset once, as a square of one size. Several threads fit the images."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps

from ...errors import DataError, StorageError
from ...storage.image_reader import decode_image
from .rows import ImageFile

_SIGNATURES = ((b"\x89PNG\r\n\x1a\n", ".png"), (b"\xff\xd8\xff", ".jpg"))
"""First bytes of the files that are kept as they are, and the ending of their names."""


@dataclass(frozen=True)
class FittedImage:
    """An image as a square.

    Attributes:
        data: the content of its file.
        suffix: the ending of its name.
        aspect: width through height of the image before it became a square.
        change: what was done to it; empty if the file is the dataset's own.
    """

    data: bytes
    suffix: str
    aspect: float
    change: str


@dataclass(frozen=True)
class StoredImage:
    """An image in the store: its file, its aspect and change as in `FittedImage`, or the problem with it."""

    file: Path
    aspect: float = 1.0
    change: str = ""
    problem: str = ""


def fit_image(data: bytes, name: str, size: int) -> FittedImage:
    """The middle square of an image with `size` pixels on each side. A PNG or JPEG of this size stays as it is.

    Raises:
        DataError: the bytes are no image.
    """
    image = decode_image(data, name)
    own = next((suffix for start, suffix in _SIGNATURES if data.startswith(start)), None)
    if own and image.size == (size, size):
        return FittedImage(data, own, 1.0, "")
    change = f"cut to a square of {size} x {size}" if image.width != image.height else f"resized to {size} x {size}"
    return FittedImage(_png(image, size), ".png", image.width / image.height, change)


def _png(image: Image.Image, size: int) -> bytes:
    buffer = BytesIO()
    ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS).save(buffer, format="PNG", compress_level=3)
    return buffer.getvalue()


class ImageStore:
    """A folder of fitted images. Equal files with different names are one image.

    Args:
        folder: the folder to fill; it exists.
        size: side of the images in pixels.
        threads: the pool that fits the images.
    """

    def __init__(self, folder: Path, size: int, threads: ThreadPoolExecutor) -> None:
        self._folder, self._size, self._threads = folder, size, threads
        self._stored: dict[bytes, Future[StoredImage]] = {}
        self._numbers: dict[bytes, int] = {}

    def add(self, image: ImageFile) -> tuple[int, Future[StoredImage]]:
        """Read an image and fit it in the background. Returns its number, which equal images share.

        Raises:
            DataError: its file cannot be read.
        """
        data = image.read()
        digest = blake2b(data, digest_size=16).digest()
        if digest not in self._stored:
            number = self._numbers[digest] = len(self._numbers)
            path = self._folder / f"{number:06d}"
            self._stored[digest] = self._threads.submit(_store, data, image.name, self._size, path)
        return self._numbers[digest], self._stored[digest]


def _store(data: bytes, name: str, size: int, path: Path) -> StoredImage:
    try:
        fitted = fit_image(data, name or "an image", size)
    except DataError:
        return StoredImage(path, problem="broken, or no image")
    path = path.with_suffix(fitted.suffix)
    try:
        path.write_bytes(fitted.data)
    except OSError as error:
        raise StorageError(f"{path.parent} cannot be written ({error.strerror}): make room on its disk.") from error
    return StoredImage(path, fitted.aspect, fitted.change)


@contextmanager
def image_store(folder: Path, size: int, threads: int) -> Iterator[ImageStore]:
    """Yields a store in a new folder. At the end, images that wait are dropped."""
    folder.mkdir()
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield ImageStore(folder, size, pool)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
