"""Paths that a foreign dataset names: they must stay inside its folder."""

from pathlib import PurePosixPath, PureWindowsPath

from ..errors import DataError


def require_inside(path: str, remedy: str = "correct the dataset") -> PurePosixPath:
    """The path inside a dataset's folder, with forward slashes.

    Args:
        path: the path as the dataset gives it.
        remedy: what to do about another path, for the message.

    Raises:
        DataError: the path is empty, is absolute, or leads out of the folder.
    """
    plain = PurePosixPath(path.replace("\\", "/"))
    outside = plain.is_absolute() or bool(PureWindowsPath(path).drive) or ".." in plain.parts
    if outside or not plain.parts or "\0" in path:
        raise DataError(f"The path {path!r} leads out of the dataset, expected one relative to its folder: {remedy}.")
    return plain
