"""Says which metric models are on this machine, and loads each of them once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import DataError
from ...paths import METRIC_MODELS
from .aesthetic import AestheticModel
from .catalogue import AESTHETIC, CLIP, CSD, DINO, DREAMSIM, LPIPS, VLM
from .clip import ClipModel
from .csd import CsdModel
from .dino import DinoModel
from .dreamsim_model import DreamSimModel, dreamsim_problem
from .lpips import LpipsModel
from .vision_language import VisionLanguageModel
from .weights import PublishedWeights, find_weights

WEIGHTS: Mapping[str, PublishedWeights] = {
    "clip": CLIP,
    "dino": DINO,
    "csd": CSD,
    "dreamsim": DREAMSIM,
    "aesthetic": AESTHETIC,
    "lpips": LPIPS["alex"],
    "vlm": VLM,
}
"""By the model's short name: its default weights."""
NEEDS: Mapping[str, tuple[str, ...]] = {"aesthetic": ("clip",)}
"""By the model's short name: other models that it needs."""


@dataclass(frozen=True)
class ModelStatus:
    """Whether a model can be used.

    Attributes:
        key: short name, such as "clip".
        weights: its weights.
        problem: why it cannot be used, as one sentence for users; None if its files were found.
    """

    key: str
    weights: PublishedWeights
    problem: str | None

    @property
    def is_available(self) -> bool:
        """Whether the files were found. A damaged file shows only when it is loaded."""
        return self.problem is None


class MetricModels:
    """The metric models of this machine. A missing model is reported, and the others still work.

    Args:
        names: by short name, another name at Hugging Face or a path, such as {"vlm": "Qwen/Qwen3-VL-8B-Instruct"}.
        folder: the folder of metric models.
        device: None for the graphics card if there is one.

    Raises:
        DataError: there is no model with one of the short names.
    """

    def __init__(
        self, names: Mapping[str, str | Path] | None = None, folder: Path = METRIC_MODELS, device: str | None = None
    ) -> None:
        self._names, self._folder, self._device = dict(names or {}), folder, device
        self._loaded: dict[str, Any] = {}
        self._failed: dict[str, str] = {}
        for key in self._names:
            _require_known(key)

    def status(self) -> list[ModelStatus]:
        """Every model, and whether it can be used. Nothing is loaded."""
        return [ModelStatus(key, self._weights(key), self.problem(key)) for key in WEIGHTS]

    def problem(self, *keys: str) -> str | None:
        """Why one of some models cannot be used, as one sentence for users; None if all files were found.

        A model that failed to load in `get` keeps the reason here.
        """
        for key in keys:
            _require_known(key)
            if found := self._failed.get(key) or self._missing(key):
                return found
        return None

    def get(self, key: str) -> Any:
        """The model with a short name; it is loaded at the first call.

        Raises:
            DataError: the model is missing or damaged. `problem` then returns the same sentence.
        """
        _require_known(key)
        if key in self._failed:
            raise DataError(self._failed[key])
        if key not in self._loaded:
            try:
                self._loaded[key] = self._load(key)
            except DataError as error:
                self._failed[key] = str(error)
                raise
        return self._loaded[key]

    def release(self, *keys: str) -> None:
        """Forget models, which frees their memory; without keys, all models. The next `get` loads them again."""
        for key in keys or tuple(self._loaded):
            self._loaded.pop(key, None)

    def _weights(self, key: str) -> PublishedWeights:
        return WEIGHTS[key].named(self._names.get(key))

    def _missing(self, key: str) -> str | None:
        if key in self._loaded:
            return None
        if key == "dreamsim":
            return dreamsim_problem(self._names.get(key), self._folder)
        try:
            find_weights(self._weights(key), self._folder)
        except DataError as error:
            return str(error)
        return self.problem(*NEEDS.get(key, ()))

    def _load(self, key: str) -> Any:
        name = self._names.get(key)
        if key == "aesthetic":
            return AestheticModel.load(name, self._folder, self.get("clip"))
        loaders: Mapping[str, Callable[..., Any]] = {
            "clip": ClipModel.load,
            "dino": DinoModel.load,
            "csd": CsdModel.load,
            "dreamsim": DreamSimModel.load,
            "lpips": LpipsModel.load,
            "vlm": VisionLanguageModel.load,
        }
        return loaders[key](name, self._folder, self._device)


def _require_known(key: str) -> None:
    if key not in WEIGHTS:
        raise DataError(f"Found the metric model {key!r}, expected {', '.join(WEIGHTS)}: choose one of these.")
