"""Triplets from a user's folder of `<style>/<content>.png` and `contents/<content>.png` with a caption `.txt`."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ..errors import DataError
from ..storage.image_reader import read_image
from ..storage.text_reader import read_text
from .known_images import KnownImages
from .triplet_report import TripletReport
from .triplet_writer import StylisedContent, TripletStyle

CONTENTS = "contents"
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
LAYOUT = f"expected <style>/<content>.png and {CONTENTS}/<content>.png (or .jpg, .webp)"

SplitPlan = list[tuple[str, list[TripletStyle]]]
"""The contents of a split by name, each with the styles of its stylised images."""

SHAPE_TOLERANCE = 0.1
"""Largest relative difference of two aspect ratios: beyond it, the square crops show different parts."""


@dataclass(frozen=True)
class UserFolder:
    """Paths of the contents by name, and of the stylised images by style and content name; both sorted.

    Attributes:
        images_seen: the content images that were read, to find the same image under two names.
    """

    path: Path
    contents: dict[str, Path]
    styles: dict[str, dict[str, Path]]
    images_seen: KnownImages = field(default_factory=KnownImages, compare=False, repr=False)


def list_folder(path: Path, report: TripletReport) -> UserFolder:
    """Lists the images of a folder and reports images without a content, contents without an image and other files.

    Raises:
        DataError: the folder has another layout.
    """
    if not (path / CONTENTS).is_dir():
        raise DataError(f"{path} has no folder {CONTENTS!r}: {LAYOUT}")
    contents = _images(path, path / CONTENTS, report)
    others = sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    styles = {folder.name: _images(path, folder, report) for folder in others if folder.name != CONTENTS}
    for style, images in styles.items():
        missing = [name for name in images if name not in contents]
        report.leave_out("its content image is missing", *(_name(path, images.pop(name)) for name in missing))
        if not images and not missing:
            report.leave_out("a folder without an image", style)
    used = {name for images in styles.values() for name in images}
    report.leave_out("a content in no style", *(_name(path, contents[name]) for name in contents if name not in used))
    kept = {name: contents[name] for name in contents if name in used}
    if not kept:
        raise DataError(f"{path} has no image in a style together with its content: {LAYOUT}")
    return UserFolder(path, kept, {style: images for style, images in styles.items() if images})


def _images(root: Path, folder: Path, report: TripletReport) -> dict[str, Path]:
    """The images of a folder by file name without ending."""
    images: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        caption = folder.name == CONTENTS and path.suffix.lower() == ".txt"
        if path.name.startswith(".") or caption:
            continue
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            report.leave_out("no .png, .jpg or .webp", _name(root, path))
        elif path.stem in images:
            report.leave_out("a second image of the same name", _name(root, path))
        else:
            images[path.stem] = path
    return images


def _name(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


@dataclass(frozen=True)
class HoldOut:
    """Numbers of styles and contents in the test split.

    ``contents`` None means one tenth, at least 2, if styles are held out.
    """

    styles: int = 0
    contents: int | None = None
    seed: int = 0

    def draw(self, contents: list[str], styles: list[str]) -> tuple[set[str], set[str]]:
        """The held-out contents and styles among these names.

        Raises:
            DataError: the numbers leave no content or no style for training.
        """
        rng = random.Random(self.seed)
        default = max(2, len(contents) // 10) if self.styles else 0
        count = default if self.contents is None else self.contents
        if count == 0 and self.styles > 0:
            raise DataError("held-out styles need held-out contents: give --test-contents 2 or more, or omit it")
        return _draw(rng, contents, count, "contents"), _draw(rng, styles, self.styles, "styles")


def split_folder(folder: UserFolder, hold: HoldOut, report: TripletReport) -> dict[str, SplitPlan]:
    """Plans the splits: contents with their styles. No content is in both splits; test contents have all their styles.

    Raises:
        DataError: the numbers leave no content or no style for training.
    """
    test_contents, test_styles = hold.draw(list(folder.contents), list(folder.styles))
    known = [TripletStyle(name, number) for number, name in enumerate(folder.styles)]
    splits: dict[str, SplitPlan] = {"train": [], **({"test": []} if test_contents else {})}
    for name in folder.contents:
        shown = [style for style in known if name in folder.styles[style.name]]
        if name in test_contents:
            splits["test"].append((name, shown))
        else:
            splits["train"].append((name, [style for style in shown if style.name not in test_styles]))
            unseen = [f"{style.name}/{name}" for style in shown if style.name in test_styles]
            report.leave_out("a training content in a held-out style", *unseen)
    return splits


def _draw(rng: random.Random, names: list[str], count: int, what: str) -> set[str]:
    if not 0 <= count < len(names):
        raise DataError(f"{count} of {len(names)} {what} cannot be held out: leave at least one for training")
    return set(rng.sample(names, count))


class FolderContents:
    """The contents of one split, read from disk one by one. Unreadable images and captions are skipped and reported.

    An image under two names is one content: otherwise it would be the style reference of its own target.
    """

    def __init__(self, folder: UserFolder, plan: SplitPlan, size: int, report: TripletReport) -> None:
        self._folder, self._plan, self._size, self._report = folder, plan, size, report
        self._names = {name for name, _ in plan}

    def __len__(self) -> int:
        return len(self._plan)

    def __iter__(self) -> Iterator[StylisedContent]:
        for name, styles in self._plan:
            paths = {style: self._folder.styles[style.name][name] for style in styles}
            path = self._folder.contents[name]
            content, caption = self._open(path), self._read_caption(path)
            if content is None:
                self._leave_out("its content image is broken", *paths.values())
            elif caption is None:
                self._leave_out("the caption of its content cannot be read", *paths.values())
            else:
                square = self._square(content)
                first = self._folder.images_seen.first_name(name, square)
                if first not in self._names:
                    self._leave_out("its content is the same image as a training content", *paths.values())
                    continue
                if first != name:
                    self._report.changed["the same image as another content, so both have one name"] += 1
                yield StylisedContent(first, caption, square, self._stylised(paths, _aspect(content)))

    def _stylised(self, paths: dict[TripletStyle, Path], aspect: float) -> Iterator[tuple[TripletStyle, np.ndarray]]:
        for style, path in paths.items():
            image = self._open(path)
            if image is None:
                continue
            if abs(_aspect(image) / aspect - 1) > SHAPE_TOLERANCE:
                self._leave_out("another shape than its content", path)
            else:
                yield style, self._square(image)

    def _open(self, path: Path) -> Image.Image | None:
        """The image; None if it is broken, which is reported."""
        try:
            return read_image(path)
        except DataError:
            self._leave_out("broken, or no image", path)
            return None

    def _read_caption(self, content: Path) -> str | None:
        """The caption; None if it cannot be read, which is reported."""
        try:
            return _caption(content)
        except DataError:
            self._leave_out("a caption that is no UTF-8 text: save it again as UTF-8", content.with_suffix(".txt"))
            return None

    def _square(self, image: Image.Image) -> np.ndarray:
        """The middle of the image as uint8 [S, S, 3], resized."""
        size = (self._size, self._size)
        if image.width != image.height:
            self._report.changed[f"cut to a square of {self._size} x {self._size}"] += 1
        elif image.size != size:
            self._report.changed[f"resized to {self._size} x {self._size}"] += 1
        return np.asarray(ImageOps.fit(image, size, Image.Resampling.LANCZOS))

    def _leave_out(self, reason: str, *paths: Path) -> None:
        self._report.leave_out(reason, *(_name(self._folder.path, path) for path in paths))


def _aspect(image: Image.Image) -> float:
    return image.width / image.height


def _caption(content: Path) -> str:
    """The caption of a content, in one line; empty without a file.

    Raises:
        DataError: the file is no text in UTF-8, UTF-16 or UTF-32.
    """
    caption = content.with_suffix(".txt")
    return " ".join(read_text(caption).split()) if caption.is_file() else ""
