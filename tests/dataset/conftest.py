"""Images by colour, an embedding that is the mean colour, files of a data set, and Debian packages from a folder."""

import io
import os
import sys
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

APT_GET = """#!/bin/sh
[ -f "$PACKAGES/$2.deb" ] || { echo "E: Unable to locate package $2" >&2; exit 100; }
cp "$PACKAGES/$2.deb" .
"""
"""Stands in for `apt-get download PACKAGE`."""
DPKG_DEB = """#!/bin/sh
mkdir -p "$3" && tar -xf "$2" -C "$3"
"""
"""Stands in for `dpkg-deb --extract ARCHIVE FOLDER`. The packages of the tests are plain tar files."""

MakePackage = Callable[[str, Mapping[str, bytes]], None]


def mean_colour(images: list[np.ndarray]) -> Tensor:
    """Images [S, S, 3] -> [N, 3]."""
    return torch.from_numpy(np.stack([image.mean((0, 1)) for image in images])).float()


def all_bytes(folder: Path) -> dict[str, bytes]:
    """Every file by its path in the folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def embed():
    return mean_colour


@pytest.fixture
def read_all():
    return all_bytes


@pytest.fixture
def make_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakePackage:
    """Makes a Debian package of files by path. `apt-get` and `dpkg-deb` are scripts that know only these packages."""
    if sys.platform == "win32":
        pytest.skip("Windows has no apt-get")
    packages, programs = tmp_path / "packages", tmp_path / "programs"
    packages.mkdir()
    programs.mkdir()
    for name, script in (("apt-get", APT_GET), ("dpkg-deb", DPKG_DEB)):
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PACKAGES", str(packages))

    def make(name: str, files: Mapping[str, bytes]) -> None:
        with tarfile.open(packages / f"{name}.deb", "w") as archive:
            for path, content in files.items():
                entry = tarfile.TarInfo(path)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))

    return make


@pytest.fixture
def noise() -> Callable[..., bytes]:
    """Makes the file of an image of random pixels: height, width, format ("JPEG", "PNG" or "WEBP"), channels."""

    def make(height: int, width: int, form: str = "JPEG", channels: int = 3) -> bytes:
        pixels = np.random.default_rng(0).integers(0, 255, (height, width, channels), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, format=form)
        return file.getvalue()

    return make
