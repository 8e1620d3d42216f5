"""The distinct images of a set of triplets, and which of them can teach a style."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ...dataset.triplets import METADATA_FILE, Triplet, read_triplets
from ...errors import TrainingError


@dataclass(frozen=True)
class StyleImage:
    """An image in a style. `content` is the name of what it shows; None if only references show it."""

    path: Path
    style: str
    style_id: int
    content: str | None


def train_images(data: Path) -> list[StyleImage]:
    """The images of the training split.

    Raises:
        DataError, TrainingError: the folder is no data set of triplets, or contradicts itself.
    """
    return distinct_images(read_triplets(data, "train"))


def unseen_images(data: Path, trained: Iterable[StyleImage]) -> list[StyleImage]:
    """Those of the test split whose style was not trained on and whose content is known; none without such a split."""
    if not (data / "test" / METADATA_FILE).is_file():
        return []
    known = {image.style for image in trained}
    images = distinct_images(read_triplets(data, "test"))
    return [image for image in images if image.style not in known and image.content is not None]


def distinct_images(triplets: Iterable[Triplet]) -> list[StyleImage]:
    """Every stylised image and every style reference once, in the order of their paths.

    Raises:
        TrainingError: a file stands under two styles.
    """
    found: dict[Path, StyleImage] = {}
    triplets = list(triplets)
    stylised = [StyleImage(row.stylised, row.style, row.style_id, row.content_name) for row in triplets]
    # A reference is as a rule the stylised image of another row, which alone knows its content.
    references = [StyleImage(row.reference, row.style, row.style_id, None) for row in triplets]
    for image in (*stylised, *references):
        known = found.setdefault(image.path, image)
        if known.style_id != image.style_id:
            raise TrainingError(
                f"{image.path} stands under the styles {known.style!r} and {image.style!r}: "
                "give each style images of its own"
            )
    return [found[path] for path in sorted(found)]


def lone_styles(images: Iterable[StyleImage]) -> list[str]:
    """Names of styles with a single image: nothing is there that it could be pulled towards."""
    counts = Counter(image.style for image in images)
    return sorted(style for style, count in counts.items() if count == 1)


def require_pairs(data: Path, images: Iterable[StyleImage]) -> None:
    """Two styles at the least must be there to be told apart.

    Raises:
        TrainingError: there are fewer.
    """
    styles = {image.style for image in images}
    if len(styles) < 2:
        raise TrainingError(
            f"{data} holds {len(styles)} styles with two readable images or more to train on, expected at least 2: "
            "add styles or images to it"
        )
