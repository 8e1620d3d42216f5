"""Photographed objects with outlines and names: stamps of Tux Paint (a Debian package, GPL-2), for training only."""

import re
from functools import cache
from pathlib import Path

from ..paths import CACHE
from ..storage.text_reader import read_text
from .objects import Cutout, read_cutout
from .packages import fetch_deb

PACKAGE = "tuxpaint-stamps-default"

FOLDERS = ("animals", "food", "hobbies", "household", "plants", "sports", "town", "vehicles")
"""Folders of the package that hold objects. The others hold letters, signs, coins and seasonal drawings."""

DRAWN = "cartoon"
"""Name of the folders that hold drawings."""

LEAST_SIDE = 150
"""Least longer side of an object in pixels."""

NAME = re.compile(r"An? ([a-z]+(?: [a-z]+){0,2})[.]")
"""First line of a stamp's text whose object has a short name: "A big eared rabbit."."""


def load_stamps(cache_folder: Path = CACHE) -> list[Cutout]:
    """Returns about 150 photographed objects, each cropped to the square around its outline.

    Raises:
        DataError: the package is not in the cache, and apt-get cannot download it.
    """
    return list(_stamps(cache_folder))


@cache
def _stamps(cache_folder: Path) -> tuple[Cutout, ...]:
    folder = fetch_deb(PACKAGE, cache_folder / "debian" / PACKAGE) / "usr" / "share" / "tuxpaint" / "stamps"
    paths = (path for name in FOLDERS for path in sorted((folder / name).rglob("*.png")))
    cutouts = (_read(path) for path in paths if DRAWN not in path.relative_to(folder).parts)
    by_name = {cutout.name: cutout for cutout in cutouts if cutout is not None}
    return tuple(by_name.values())


def _read(path: Path) -> Cutout | None:
    """The object of a stamp; None if it is small or has no short name."""
    text = path.with_suffix(".txt")
    found = NAME.fullmatch(read_text(text).partition("\n")[0].strip()) if text.is_file() else None
    if found is None:
        return None
    cutout = read_cutout(found[1], path)
    return cutout if len(cutout.pixels) >= LEAST_SIDE else None
