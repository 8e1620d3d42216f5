"""Finds the weights of a metric's model on this machine, or says in one sentence where to get them."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ...errors import DataError
from ...paths import METRIC_MODELS

HUB = "https://huggingface.co/"
"""Start of a model's page at Hugging Face."""


@dataclass(frozen=True)
class PublishedWeights:
    """Weights that somebody has published for a metric.

    Attributes:
        title: what the weights are, such as "CLIP".
        name: the name at Hugging Face, such as "openai/clip-vit-large-patch14", or a file name.
        size: the size of the download, such as "1.7 GB"; empty if it is not known.
        page: the address to download them from.
    """

    title: str
    name: str
    size: str = ""
    page: str = ""

    def named(self, name: str | Path | None) -> "PublishedWeights":
        """Other weights for the same model; None for these weights."""
        if name is None or str(name) == self.name:
            return self
        return replace(self, name=str(name), size="", page="")

    def place(self, folder: Path = METRIC_MODELS) -> Path:
        """The place in the folder of metric models where these weights belong."""
        return folder / Path(self.name).name

    def missing(self, folder: Path = METRIC_MODELS) -> str:
        """One sentence for users: what is missing, its size, its page and its place."""
        if Path(self.name).is_absolute() or not (page := self.page or f"{HUB}{self.name}"):
            return f"The weights of {self.title} are missing: there is no {self.name}, so give an existing path."
        size = f" ({self.size})" if self.size else ""
        return (
            f"The weights of {self.title}{size} are missing: download {self.name} from {page} to {self.place(folder)}, "
            "or give the path of a copy."
        )


def find_weights(weights: PublishedWeights, folder: Path = METRIC_MODELS) -> Path:
    """The path of weights: the path that they are named by, their place in `folder`, or a cache of a library.

    Raises:
        DataError: the weights are in none of these places.
    """
    for place in (Path(weights.name), weights.place(folder)):
        if place.exists():
            return place
    if (cached := _cached_folder(weights.name) or _cached_file(weights.name)) is not None:
        return cached
    raise DataError(weights.missing(folder))


def _cached_folder(name: str) -> Path | None:
    """The folder of a model in Hugging Face's cache; None if it is not there."""
    from transformers.utils.hub import cached_file

    if Path(name).is_absolute() or name.count("/") != 1:
        return None
    try:
        config = cached_file(name, "config.json", local_files_only=True)
    except (OSError, ValueError):
        return None
    return None if config is None else Path(config).parent


def _cached_file(name: str) -> Path | None:
    """A file in torch's cache of downloaded weights; None if it is not there."""
    file = Path(torch.hub.get_dir(), "checkpoints", Path(name).name)
    return file if "/" not in name and file.is_file() else None
