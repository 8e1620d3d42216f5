"""The options of style encoder training. The defaults are the values of StyleExpert (Stage 1 of the paper)."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...errors import TrainingError
from ...paths import CACHE, RUNS
from ..curves import Tracker
from ..loss_lines import LOG_EVERY
from ..tiny.config import ENCODER_QUERIES, ENCODER_TAPS, ENCODER_WIDTH

PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "tiny": {
        "data": Path("data") / "paintings",
        "vision": "tiny",
        "taps": ENCODER_TAPS,
        "num_queries": ENCODER_QUERIES,
        "proj_dim": ENCODER_WIDTH,
        "rate": 1e-3,
        "steps": 600,
        # A small tau makes all styles orthogonal: the embedding of a new style then says nothing about similar styles.
        "temperature": 4.0,
    },
}
"""The values of the paper, and the values for the small Kontext."""


@dataclass(frozen=True)
class EncoderTrainConfig:
    """All options of a training run of a style encoder.

    Attributes:
        data: folder of a triplet dataset, as `styleroute data` writes it.
        vision: name of a SigLIP on Hugging Face, a folder with one, or "tiny" for the one of the demo pack.
        taps: layers of the vision model that the encoder reads, counted from the end, in the order of the embedding.
        num_queries: number of tokens that each layer is pooled to.
        proj_dim: width of each pooled token; a style embedding has taps x num_queries x proj_dim numbers.
        temperature: tau of InfoNCE. The paper does not give it; 0.07 is CLIP's initial value.
        rate: learning rate of AdaBelief.
        batch: B, images in each of the two batches of a step.
        steps: number of training steps; with more steps, a finished run continues.
        seed: seed of the initial weights and of all batches.
        run: folder for the configuration, checkpoint, curves and report.
        output: the encoder file; by default style_encoder.safetensors in the run folder.
        cache: folder for the vision model's states, which are computed once.
        minutes: time limit of this start in minutes; the same command resumes the run.
        save_every: steps between two checkpoints.
        states: "cached" computes the vision model's states of all images once and keeps them in `cache`, 5 MB for an
            image with the paper's SigLIP. "computed" computes the states of a batch at each step, without a cache.
        log_every: steps between two printed lines with the loss; 0 for none.
        tracker: send the curves also to wandb or trackio, if the package is installed.

    Raises:
        TrainingError: a value is out of range.
    """

    data: Path = Path("data") / "triplets"
    vision: str = "google/siglip-so400m-patch14-384"
    taps: tuple[int, ...] = (-2, -11, -20)
    num_queries: int = 8
    proj_dim: int = 128
    temperature: float = 0.07
    rate: float = 1e-5
    batch: int = 128
    steps: int = 3500
    seed: int = 0
    run: Path = RUNS / "style_encoder"
    output: Path | None = None
    cache: Path = CACHE / "vision_states"
    minutes: float = math.inf
    save_every: int = 100
    states: Literal["cached", "computed"] = "cached"
    log_every: int = LOG_EVERY
    tracker: Tracker = "none"

    def __post_init__(self) -> None:
        for name, least in (("num_queries", 1), ("proj_dim", 1), ("batch", 2), ("steps", 1), ("save_every", 1)):
            self._require_whole(name, least)
        self._require_whole("seed", 0)
        self._require_whole("log_every", 0)
        for name in ("temperature", "rate", "minutes"):
            self._require_positive(name, or_infinite=name == "minutes")
        self._require_taps()
        if self.encoder_file.suffix != ".safetensors":
            raise TrainingError(f"output is {self.output}, expected a file name that ends in .safetensors: rename it")

    @classmethod
    def preset(cls, name: str, **values: Any) -> "EncoderTrainConfig":
        """Returns the configuration of a preset; `values` replace its values."""
        return cls(**{**PRESETS[name], **values})

    @property
    def encoder_file(self) -> Path:
        """Where the trained encoder is written."""
        return self.run / "style_encoder.safetensors" if self.output is None else self.output

    def _require_whole(self, name: str, least: int) -> None:
        value = getattr(self, name)
        if type(value) is not int or value < least:
            raise TrainingError(f"{name} is {value!r}, expected a whole number of {least} or more: give another one")

    def _require_positive(self, name: str, or_infinite: bool) -> None:
        value = getattr(self, name)
        if not (0 < value < math.inf or (or_infinite and value == math.inf)):
            raise TrainingError(f"{name} is {value!r}, expected a number above 0: give another one")

    def _require_taps(self) -> None:
        if not self.taps or any(tap >= 0 for tap in self.taps) or len(set(self.taps)) != len(self.taps):
            raise TrainingError(
                f"taps is {self.taps}, expected different negative numbers (layers counted from the end), "
                "such as -2 -11 -20: give others"
            )
