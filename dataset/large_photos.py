"""Large photos and paintings from Debian packages, for training only. Their licences vary (CC BY-SA and others)."""

import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ..errors import DataError
from ..paths import CACHE
from .packages import fetch_deb
from .photos import LEAST_SPREAD, Photo, read_photo

WALLPAPERS = ("mate-backgrounds", "lomiri-wallpapers-16.04", "lomiri-wallpapers-20.04")
"""Packages whose images are plain files."""

DRAWINGS = {"desktop", "abstract"}
"""Folders of the wallpapers that hold drawings, patterns and plain colours."""

GAMES = "gcompris-qt-data"
RESOURCES = (
    "clickgame", "details", "erase", "explore_farm_animals", "explore_monuments", "explore_world_animals",
    "explore_world_music",
)  # fmt: skip
"""Resource files of the package `GAMES` with photos of animals, buildings and music, and paintings by Van Gogh."""

LEAST_SIDE = 384
"""Shorter side in pixels below which an image is left out."""


def load_large_photos(cache_folder: Path = CACHE) -> list[Photo]:
    """Returns about 140 training photos, most with a shorter side of 512 pixels or more.

    Raises:
        DataError: a package is not in the cache, and apt-get cannot download it.
    """
    return list(_large_photos(cache_folder))


@cache
def _large_photos(cache_folder: Path) -> tuple[Photo, ...]:
    folder = cache_folder / "debian"
    wallpapers = [fetch_deb(package, folder / package) for package in WALLPAPERS]
    games = fetch_deb(GAMES, folder / GAMES, _write_resources)
    photos = (read_photo(path) for path in (*_wallpapers(wallpapers), *sorted(games.iterdir())))
    large = (photo for photo in photos if photo is not None and min(photo.size) >= LEAST_SIDE)
    return tuple(photo for photo in large if photo.pixels.std() > LEAST_SPREAD)


def _wallpapers(folders: list[Path]) -> Iterator[Path]:
    for folder in folders:
        paths = sorted(path for path in folder.rglob("*") if path.suffix in (".jpg", ".png") and path.is_file())
        yield from (path for path in paths if not DRAWINGS & set(path.relative_to(folder).parts))


def _write_resources(package: Path, target: Path) -> None:
    """Writes the images of the resource files of an unpacked package, one file for each image.

    Raises:
        DataError: the package lacks a resource file.
    """
    for name in RESOURCES:
        path = next(package.rglob(f"{name}.rcc"), None)
        if path is None:
            raise DataError(
                f"the package {GAMES} has no {name}.rcc, expected the files of Debian 12: give `--no-large-photos` to "
                "train without it"
            )
        for number, data in enumerate(resource_entries(path.read_bytes())):
            suffix = "webp" if data[8:12] == b"WEBP" else "jpg" if data.startswith(b"\xff\xd8\xff") else None
            if suffix:
                (target / f"{name} {number:03}.{suffix}").write_bytes(data)


def resource_entries(data: bytes) -> Iterator[bytes]:
    """Yields the entries of a Qt resource file (.rcc). Each lies after its length, a big-endian number of 4 bytes.

    The file begins with the magic bytes "qres", a version, and the offsets of the file tree, the entries and the names.

    Raises:
        DataError: the file is no Qt resource file.
    """
    if not (data.startswith(b"qres") and len(data) >= 20):
        raise DataError(
            f"a resource file of the package {GAMES} begins with {data[:4]!r}, expected b'qres': give "
            "`--no-large-photos` to train without it"
        )
    tree, position, names = struct.unpack_from(">III", data, 8)
    end = min(offset for offset in (tree, names, len(data)) if offset > position)
    while position + 4 <= end:
        length = struct.unpack_from(">I", data, position)[0]
        yield data[position + 4 : position + 4 + length]
        position += 4 + length
