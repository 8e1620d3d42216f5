"""The distinct pictures of a set of triplets, and which of them can teach a style."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ...dataset.triplets import METADATA_FILE, Triplet, read_triplets
from ...errors import TrainingError


@dataclass(frozen=True)
class Picture:
    """A picture in a style. `content` is the name of what it shows; None if only references show it."""

    path: Path
    style: str
    style_id: int
    content: str | None


def train_pictures(data: Path) -> list[Picture]:
    """The pictures of the training split.

    Raises:
        DataError, TrainingError: the folder is no data set of triplets, or contradicts itself.
    """
    return distinct_pictures(read_triplets(data, "train"))


def unseen_pictures(data: Path, trained: Iterable[Picture]) -> list[Picture]:
    """Those of the test split whose style was not trained on and whose content is known; none without such a split."""
    if not (data / "test" / METADATA_FILE).is_file():
        return []
    known = {picture.style for picture in trained}
    pictures = distinct_pictures(read_triplets(data, "test"))
    return [picture for picture in pictures if picture.style not in known and picture.content is not None]


def distinct_pictures(triplets: Iterable[Triplet]) -> list[Picture]:
    """Every stylised picture and every style reference once, in the order of their paths.

    Raises:
        TrainingError: a file stands under two styles.
    """
    found: dict[Path, Picture] = {}
    triplets = list(triplets)
    stylised = [Picture(row.stylised, row.style, row.style_id, row.content_name) for row in triplets]
    # A reference is as a rule the stylised picture of another row, which alone knows its content.
    references = [Picture(row.reference, row.style, row.style_id, None) for row in triplets]
    for picture in (*stylised, *references):
        known = found.setdefault(picture.path, picture)
        if known.style_id != picture.style_id:
            raise TrainingError(
                f"{picture.path} stands under the styles {known.style!r} and {picture.style!r}: "
                "give each style pictures of its own"
            )
    return [found[path] for path in sorted(found)]


def lone_styles(pictures: Iterable[Picture]) -> list[str]:
    """Names of styles with a single picture: nothing is there that it could be pulled towards."""
    counts = Counter(picture.style for picture in pictures)
    return sorted(style for style, count in counts.items() if count == 1)


def require_pairs(data: Path, pictures: Iterable[Picture]) -> None:
    """Two styles at the least must be there to be told apart.

    Raises:
        TrainingError: there are fewer.
    """
    styles = {picture.style for picture in pictures}
    if len(styles) < 2:
        raise TrainingError(
            f"{data} holds {len(styles)} styles with two readable pictures or more to train on, expected at least 2: "
            "add styles or pictures to it"
        )
