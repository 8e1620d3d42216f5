"""Finds the images that a table names: in folders, or inside uncompressed tar archives."""

import tarfile
from functools import cached_property, partial
from pathlib import Path, PurePosixPath

from ...errors import DataError
from ...files import open_regular
from ..relative_path import require_inside
from .rows import IMAGE_SUFFIXES, ImageFile

COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".zip")


class FolderFiles:
    """The files of a dataset's folder by the paths in its table.

    Args:
        folder: the dataset's folder.
        first: further folder that paths may be relative to; it is searched first.
        strip: a start of the paths in the table that is removed, such as the author's own folder.
    """

    def __init__(self, folder: Path, first: Path | None = None, strip: str = "") -> None:
        self._folder, self._strip = folder, strip
        self._roots = list(dict.fromkeys([first or folder, folder]))

    def file(self, path: str) -> ImageFile:
        """The image of a path.

        Raises:
            DataError: the path leads out of the dataset, or no folder and no archive has it.
        """
        stripped = path.removeprefix(self._strip).lstrip("/") if self._strip else path
        inside = require_inside(stripped, "give the start of such paths with --strip")
        for root in self._roots:
            if (root / inside).is_file():
                return ImageFile(str(inside), partial(_read_file, root / inside))
        archive, offset, size = self._archived(inside)
        return ImageFile(str(inside), partial(_read_part, archive, offset, size))

    def _archived(self, inside: PurePosixPath) -> tuple[Path, int, int]:
        found = self._members.get(str(inside))
        if found is None:
            packed = next((path for path in self._folder.rglob("*") if path.name.endswith(COMPRESSED)), None)
            remedy = f"unpack {packed.name}" if packed else "check the column, and give the start of paths with --strip"
            raise DataError(f"There is no image {inside} in {self._folder} or in its tar archives: {remedy}.")
        return found

    @cached_property
    def _members(self) -> dict[str, tuple[Path, int, int]]:
        """Archive, offset and size in bytes of each image in the tar archives, by its path; read once.

        A path also counts behind the archive's name: `content/1.png` in `images.tar` is `images/content/1.png` too.
        """
        members: dict[str, tuple[Path, int, int]] = {}
        for archive in sorted(self._folder.rglob("*.tar")):
            try:
                with tarfile.open(archive, "r:") as tar:
                    for member in tar:
                        name = member.name.removeprefix("./")
                        if member.isreg() and name.lower().endswith(IMAGE_SUFFIXES):
                            place = archive, member.offset_data, member.size
                            members.setdefault(name, place)
                            members.setdefault(f"{archive.stem}/{name}", place)
                        tar.members = []  # tarfile would keep an object for each member
            except (tarfile.TarError, OSError, EOFError):
                continue  # the images before the damage stay; the others are reported as missing
        return members


def _read_file(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return file.readall()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): check the file and its permissions.") from error


def _read_part(path: Path, offset: int, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): check the file and its permissions.") from error
