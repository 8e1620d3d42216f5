"""StyleExpert's evaluation: random pairs of content and style image for each unseen style, each with several seeds."""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ...errors import DataError
from ...storage.image_reader import image_size, read_image
from ...storage.text_reader import read_text
from ..metric_models import MetricModels
from ..paper_scores import PaperScores, StyledImages, style_expert_scores
from .result_folders import ENDINGS
from .trial_list import read_trials, write_trials


@dataclass(frozen=True)
class StyleProtocol:
    """The size of the evaluation. The defaults are the paper's, whose 21 styles give 2,100 images.

    Attributes:
        contents: folder of content images.
        styles: folder with a folder of images for each style.
        output: folder of the list of trials and of the scores.
        style_count: number of styles, drawn at random; None for all.
        pairs: pairs of content and style image for each style.
        seeds: images for each pair, with the seeds 0, 1, ...
        draw: seed of the random choices.
        prompt: description of the content images. A text file beside a content image, such as dog.txt beside dog.png,
            goes before it.

    Raises:
        DataError: a number is impossible.
    """

    contents: Path
    styles: Path
    output: Path
    style_count: int | None = None
    pairs: int = 50
    seeds: int = 2
    draw: int = 0
    prompt: str = "an image"

    def __post_init__(self) -> None:
        for name in ("style_count", "pairs", "seeds"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise DataError(f"{name} is {getattr(self, name)}, expected 1 or more: give another number.")


@dataclass(frozen=True)
class StyleTrial:
    """One image to generate.

    Attributes:
        name: name of the result's file without its ending.
        style: name of the style.
        content, reference: paths of content and style image.
        seed: seed of the noise.
        prompt: description of the content image.
    """

    name: str
    style: str
    content: str
    reference: str
    seed: int
    prompt: str = StyleProtocol.prompt

    @property
    def relative_path(self) -> Path:
        """The result's file in the folder of a system that generates its images here."""
        return Path(f"{self.name}.png")


def style_trials(protocol: StyleProtocol) -> list[StyleTrial]:
    """The trials; they are written to `trials.json` at the first call, and read from there later.

    Raises:
        DataError: a folder is missing or too small, an image is damaged, or the list has other settings.
    """
    settings = {key: value for key, value in asdict(protocol).items() if key != "output"}
    known = read_trials(protocol.output, settings)
    if known is not None:
        return [_trial(protocol.output, entry) for entry in known]
    trials = _drawn(protocol)
    write_trials(protocol.output, settings, trials)
    return trials


def score_styles(trials: Sequence[StyleTrial], results: Sequence[Path], models: MetricModels) -> PaperScores:
    """StyleExpert's metrics of some trials.

    Raises:
        DataError: an image is damaged.
    """
    images = StyledImages(
        results=[_open(path) for path in results],
        contents=[_open(Path(trial.content)) for trial in trials],
        styles=[_open(Path(trial.reference)) for trial in trials],
    )
    return style_expert_scores(images, models)


def _drawn(protocol: StyleProtocol) -> list[StyleTrial]:
    contents = _images(protocol.contents)
    prompts = {content: _prompt(content, protocol.prompt) for content in contents}
    styles = _styles(protocol)
    trials = []
    for style in styles:
        images = _images(style)
        # Each style has its own random numbers, so that further styles leave its pairs unchanged.
        rng = random.Random(f"{protocol.draw} {style.name}")
        chosen = _pairs(rng, contents, images, protocol.pairs)
        for number, (content, reference) in enumerate(chosen):
            for seed in range(protocol.seeds):
                name = f"{style.name}_{number:03}_{seed}"
                paths = str(content), str(reference)
                trials.append(StyleTrial(name, style.name, *paths, seed, prompts[content]))
    return trials


def _prompt(content: Path, usual: str) -> str:
    """The text beside a content image, or the usual prompt."""
    path = content.with_suffix(".txt")
    return (read_text(path).strip() if path.is_file() else "") or usual


def _pairs(rng: random.Random, contents: list[Path], images: list[Path], count: int) -> list[tuple[Path, Path]]:
    """Different pairs of a content and a style image."""
    possible = len(contents) * len(images)
    if count > possible:
        raise DataError(
            f"{images[0].parent} gives {possible} pairs with {len(contents)} contents, expected {count}: give more "
            "images, or fewer --pairs."
        )
    return [(contents[n // len(images)], images[n % len(images)]) for n in rng.sample(range(possible), count)]


def _styles(protocol: StyleProtocol) -> list[Path]:
    folder = protocol.styles
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}, expected a folder of images for each style: give its path.")
    styles = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    count = len(styles) if protocol.style_count is None else protocol.style_count
    if not styles or count > len(styles):
        raise DataError(
            f"{folder} has {len(styles)} folders of styles, expected {max(count, 1)}: add a folder for each style, or "
            "give another --style-count."
        )
    return sorted(random.Random(protocol.draw).sample(styles, count))


def _images(folder: Path) -> list[Path]:
    """The images of a folder.

    Raises:
        DataError: the folder is missing or empty, or an image cannot be read.
    """
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in ENDINGS)
    if not found:
        raise DataError(f"{folder} has no image, expected PNG, JPEG or WebP files: give a folder of images.")
    broken = next((path for path in found if image_size(path) is None), None)
    if broken is not None:
        raise DataError(f"{broken} cannot be read as an image: save it again, or remove it.")
    return [path.resolve() for path in found]


def _trial(folder: Path, entry: object) -> StyleTrial:
    try:
        return StyleTrial(**entry)  # pyright: ignore[reportCallIssue]
    except TypeError as error:
        raise DataError(f"{folder} holds a damaged list of trials ({error}): remove trials.json.") from error


def _open(path: Path) -> np.ndarray:
    return np.asarray(read_image(path))
