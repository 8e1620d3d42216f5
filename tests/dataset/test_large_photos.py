"""Large photos: plain files and Qt resource files of Debian packages, without drawings and small images."""

import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from styleroute.dataset.large_photos import GAMES, RESOURCES, WALLPAPERS, load_large_photos, resource_entries
from styleroute.errors import DataError


def resource_file(entries: Sequence[bytes]) -> bytes:
    """A Qt resource file of version 3 with its entries between the names and the file tree."""
    names, tree = b"names of the files", b"the file tree"
    data = b"".join(struct.pack(">I", len(entry)) + entry for entry in entries)
    start = 24 + len(names)
    header = b"qres" + struct.pack(">IIIII", 3, start + len(data), start, 24, 0)
    return header + names + data + tree


def test_entries_of_a_resource_file_are_read_one_by_one() -> None:
    entries = [b"first", b"", b"third entry" * 100]
    assert list(resource_entries(resource_file(entries))) == entries


def test_a_cut_resource_file_ends_without_an_error() -> None:
    whole = resource_file([b"first", b"second"])
    assert next(resource_entries(whole[:-20])) == b"first"


@pytest.mark.parametrize("data", [b"", b"qres", b"PK" + bytes(40)])
def test_a_file_of_another_kind_is_refused(data: bytes) -> None:
    with pytest.raises(DataError, match="expected b'qres': give `--no-large-photos`"):
        next(resource_entries(data))


@pytest.fixture
def packages(make_package, noise) -> None:
    """The four packages: a photo each, and images that are no photos."""
    share = "./usr/share"
    make_package(WALLPAPERS[0], {
        f"{share}/backgrounds/nature/lake.jpg": noise(400, 600),
        f"{share}/backgrounds/nature/small.jpg": noise(300, 600),
        f"{share}/backgrounds/desktop/stripes.png": noise(400, 400, "PNG"),
        f"{share}/doc/readme.txt": b"no image",
    })  # fmt: skip
    make_package(WALLPAPERS[1], {f"{share}/wallpapers/dunes.png": noise(384, 384, "PNG")})
    make_package(WALLPAPERS[2], {f"{share}/abstract/waves.jpg": noise(500, 500)})
    flat = noise(1, 1, "PNG")
    resources = {name: resource_file([flat]) for name in RESOURCES}
    resources["explore_monuments"] = resource_file([noise(390, 500), b"<svg/>", noise(400, 400, "WEBP")])
    make_package(GAMES, {f"{share}/gcompris-qt/rcc/{name}.rcc": data for name, data in resources.items()})


def test_photos_are_kept_and_drawings_and_small_images_are_left_out(packages, tmp_path: Path) -> None:
    # The cache may lie in a folder whose name is also that of a folder of drawings.
    photos = load_large_photos(tmp_path / "desktop")
    assert [(photo.name, photo.size) for photo in photos] == [
        ("lake", (400, 600)),
        ("dunes", (384, 384)),
        ("explore_monuments 000", (390, 500)),
        ("explore_monuments 002", (400, 400)),
    ]
    kept = sorted(path.name for path in (tmp_path / "desktop" / "debian" / GAMES).iterdir())
    assert kept == ["explore_monuments 000.jpg", "explore_monuments 002.webp"]  # the large package itself is not kept


def test_a_package_without_its_resource_file_is_named(packages, make_package, tmp_path: Path) -> None:
    make_package(GAMES, {"./usr/share/gcompris-qt/rcc/other.rcc": resource_file([])})
    with pytest.raises(DataError, match=rf"the package {GAMES} has no clickgame\.rcc, .*: give `--no-large-photos`"):
        load_large_photos(tmp_path / "cache")
    assert not (tmp_path / "cache" / "debian" / GAMES).exists()
