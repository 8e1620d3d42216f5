"""RegionRoute's evaluation: one object of each photo of COCO, Pascal VOC or BIG, in each of the paper's four styles."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from ...attention.phrases import style_stem
from ...dataset.region_manifest import region_prompt
from ...dataset.segmentation import ChosenObject, ObjectChoice, choose_objects, read_dataset
from ...errors import DataError
from ...storage.image_reader import read_image, read_mask
from ...storage.whole_file import whole_file
from ..metric_models import MetricModels
from ..paper_scores import PaperScores, StyledRegions, region_route_scores
from .trial_list import read_trials, write_trials

STYLES = ("pixel art", "cyberpunk", "expressionism", "line art")
"""The paper's four styles."""
SEED = 0
"""Seed of the noise of all images: each trial has one image, and all systems start from the same noise."""


@dataclass(frozen=True)
class RegionProtocol:
    """The size of the evaluation. The paper does not name its number of photos.

    Attributes:
        dataset: the layout of the dataset.
        data: folder of the dataset, which you download yourself.
        output: folder of the photos, masks, list of trials and scores.
        split: part of the dataset; None for the usual one: val2017 of COCO, val of VOC, test of BIG.
        photos: number of photos, which are drawn at random.
        styles: styles of each object.
        least_share: lower limit for the object's share of the photo.
        most_share: upper limit for the object's share of the photo.
        side: side of photos and results in pixels.
        draw: seed of the random choices.
    """

    dataset: Literal["coco", "voc", "big"]
    data: Path
    output: Path
    split: str | None = None
    photos: int = 100
    styles: tuple[str, ...] = STYLES
    least_share: float = ObjectChoice.least_share
    most_share: float = ObjectChoice.most_share
    side: int = ObjectChoice.side
    draw: int = 0


@dataclass(frozen=True)
class RegionTrial:
    """One image to generate.

    Attributes:
        name: name of the result's file without its ending.
        photo, mask: files inside the protocol's folder.
        object, style: the words in the prompt.
        prompt: the instruction that RegionRoute was trained with.
    """

    name: str
    photo: str
    mask: str
    object: str
    style: str
    prompt: str

    @property
    def relative_path(self) -> Path:
        """The result's file in the folder of a system that generates its images here."""
        return Path(f"{self.name}.png")


def region_trials(protocol: RegionProtocol) -> list[RegionTrial]:
    """The trials; photos, masks and `trials.json` are written at the first call, and the list is read later.

    Raises:
        DataError: the dataset is missing or damaged, or has too few fitting objects, or the list has other settings.
    """
    settings = {key: value for key, value in asdict(protocol).items() if key != "output"}
    known = read_trials(protocol.output, settings)
    if known is not None:
        return [_trial(protocol.output, entry) for entry in known]
    if not protocol.styles or not all(style_stem(style) for style in protocol.styles):
        raise DataError("A style has no name, expected words such as 'pixel art': give --styles.")
    choice = ObjectChoice(protocol.least_share, protocol.most_share, side=protocol.side)
    photos = read_dataset(protocol.dataset, protocol.data, protocol.split)
    trials = [
        trial
        for chosen in choose_objects(photos, protocol.photos, protocol.draw, choice)
        for trial in _written(protocol, chosen)
    ]
    # The list comes last: without it, the next call starts again.
    write_trials(protocol.output, settings, trials)
    return trials


def score_regions(
    folder: Path, trials: Sequence[RegionTrial], results: Sequence[Path], models: MetricModels
) -> PaperScores:
    """RegionRoute's metrics of some trials. Results of another size are scaled to the photo's.

    Raises:
        DataError: an image is damaged, or a result is not square.
    """
    photos = [np.asarray(read_image(folder / trial.photo)) for trial in trials]
    regions = StyledRegions(
        results=[_fitted(path, photo) for path, photo in zip(results, photos, strict=True)],
        photos=photos,
        masks=[read_mask(folder / trial.mask) for trial in trials],
        objects=[trial.object for trial in trials],
        styles=[trial.style for trial in trials],
    )
    return region_route_scores(regions, models)


def _fitted(path: Path, photo: np.ndarray) -> np.ndarray:
    image = read_image(path)
    if image.width != image.height:
        raise DataError(
            f"{path} has {image.width} x {image.height} pixels, expected a square as its photo: generate it at "
            f"{photo.shape[1]} x {photo.shape[0]}."
        )
    return np.asarray(image.resize(photo.shape[1::-1], Image.Resampling.LANCZOS))


def _written(protocol: RegionProtocol, chosen: ChosenObject) -> list[RegionTrial]:
    """Write a photo and its mask; the trials of this photo."""
    photo, mask = f"photos/{chosen.photo}.png", f"masks/{chosen.photo}.png"
    for name, pixels in ((photo, chosen.image), (mask, chosen.mask.astype(np.uint8) * 255)):
        with whole_file(protocol.output / name) as partial:
            Image.fromarray(pixels).save(partial, format="PNG")
    return [
        RegionTrial(
            name=f"{chosen.photo}_{style_stem(style)}",
            photo=photo,
            mask=mask,
            object=chosen.name,
            style=style,
            prompt=region_prompt(chosen.name, style),
        )
        for style in protocol.styles
    ]


def _trial(folder: Path, entry: object) -> RegionTrial:
    try:
        return RegionTrial(**entry)  # pyright: ignore[reportCallIssue]
    except TypeError as error:
        raise DataError(f"{folder} holds a damaged list of trials ({error}): remove trials.json.") from error
