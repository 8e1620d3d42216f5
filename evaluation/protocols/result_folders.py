"""Images of one system, found by the names of the trials."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError
from ...storage.image_reader import image_size

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True)
class ResultFolder:
    """The images of one system: `<path>/<trial>.png`, or another usual ending.

    Attributes:
        name: name of the system in tables.
        path: the folder.
    """

    name: str
    path: Path

    @classmethod
    def from_text(cls, text: str) -> "ResultFolder":
        """A folder from NAME=FOLDER; without a name, the folder's own name is used.

        Raises:
            DataError: the folder does not exist.
        """
        name, equals, folder = text.partition("=")
        path = Path(folder if equals else text)
        if not path.is_dir():
            raise DataError(f"There is no folder {path}, expected the images of a system: give NAME=FOLDER.")
        return cls(name if equals and name else path.name, path)

    def find(self, trials: Iterable[str]) -> dict[str, Path]:
        """The image of each trial that has one.

        Raises:
            DataError: no trial has an image, or an image cannot be read.
        """
        names = list(trials)
        found = {name: path for name in names if (path := self._image(name)) is not None}
        if not found:
            raise DataError(
                f"{self.path} has no image of the {len(names)} trials, expected for instance {names[0]}.png: name each "
                "image after its trial in trials.json."
            )
        broken = next((path for path in found.values() if image_size(path) is None), None)
        if broken is not None:
            raise DataError(f"{broken} cannot be read as an image, expected a PNG, JPEG or WebP: save it again.")
        return found

    def _image(self, name: str) -> Path | None:
        paths = (self.path / f"{name}{ending}" for ending in ENDINGS)
        return next((path for path in paths if path.is_file()), None)


def result_folders(texts: Sequence[str]) -> list[ResultFolder]:
    """The folders of several systems.

    Raises:
        DataError: a folder does not exist, or two have one name.
    """
    folders = [ResultFolder.from_text(text) for text in texts]
    require_different_names([folder.name for folder in folders])
    return folders


def require_different_names(names: Sequence[str]) -> None:
    """Check that no two systems have one name.

    Raises:
        DataError: two systems have one name.
    """
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DataError(f"Two systems have the name {twice!r}, expected different names: give NAME=FOLDER or --name.")
