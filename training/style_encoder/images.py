"""The distinct images of a triplet dataset, and the checks that they suffice for training."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ...dataset.triplets import METADATA_FILE, Triplet, read_triplets
from ...errors import TrainingError


@dataclass(frozen=True)
class StyleImage:
    """An image in a style. `content` is its content name; None if the image occurs only as a reference."""

    path: Path
    style: str
    style_id: int
    content: str | None


def train_images(data: Path) -> list[StyleImage]:
    """Returns the images of the training split.

    Raises:
        DataError: the folder is not a triplet dataset.
        TrainingError: an image has two styles.
    """
    return distinct_images(read_triplets(data, "train"))


def unseen_images(data: Path, trained: Iterable[StyleImage]) -> list[StyleImage]:
    """Returns the test images with an unseen style and a known content; an empty list without a test split."""
    if not (data / "test" / METADATA_FILE).is_file():
        return []
    known = {image.style for image in trained}
    images = distinct_images(read_triplets(data, "test"))
    return [image for image in images if image.style not in known and image.content is not None]


def distinct_images(triplets: Iterable[Triplet]) -> list[StyleImage]:
    """Returns every stylised image and every style reference once, in the order of their paths.

    Raises:
        TrainingError: an image has two styles.
    """
    found: dict[Path, StyleImage] = {}
    triplets = list(triplets)
    stylised = [StyleImage(row.stylised, row.style, row.style_id, row.content_name) for row in triplets]
    # A reference is usually the stylised image of another row, and only that row has its content name.
    references = [StyleImage(row.reference, row.style, row.style_id, None) for row in triplets]
    for image in (*stylised, *references):
        known = found.setdefault(image.path, image)
        if known.style_id != image.style_id:
            raise TrainingError(
                f"{image.path} has the styles {known.style!r} and {image.style!r}, expected one: "
                "give each style its own images"
            )
    return [found[path] for path in sorted(found)]


def lone_styles(images: Iterable[StyleImage]) -> list[str]:
    """Returns the names of styles with a single image: the loss needs two images of a style."""
    counts = Counter(image.style for image in images)
    return sorted(style for style, count in counts.items() if count == 1)


def require_pairs(data: Path, images: Iterable[StyleImage]) -> None:
    """Checks that at least two styles have images.

    Raises:
        TrainingError: there are fewer.
    """
    styles = {image.style for image in images}
    if len(styles) < 2:
        raise TrainingError(
            f"{data} has {len(styles)} training styles with two readable images or more, expected at least 2: "
            "add styles or images"
        )
