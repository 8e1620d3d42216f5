"""The stages of ``styleroute train tiny`` in order. Each stage can resume, and writes its weight files at its end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch

from ...dataset.photos import load_photos
from ...errors import TrainingError
from ...paths import RUNS, TINY_MODELS
from ...progress import console
from .autoencoder import Autoencoder
from .checkpoints import Stage
from .edit_samples import EditSamples, load_edit_samples
from .export import export_autoencoder, export_kontext, export_vision
from .prompts import Tokenizers
from .shipped import load_kontext
from .train_autoencoder import AutoencoderConfig, autoencoder_psnr, train_autoencoder
from .train_kontext import KontextConfig, train_kontext
from .train_vision import VisionConfig, train_vision

STAGES = ("autoencoder", "vision", "kontext", "decoder")


@dataclass(frozen=True)
class TinyConfig:
    """The options of ``styleroute train tiny``.

    Attributes:
        stages: the stages to run, in order.
        minutes: time limit of each stage in minutes; the next run continues from its checkpoint.
        scenes: number of scenes with samples of every kind.
        object_scenes: number of further scenes with object edits only.
        run: folder for the checkpoints and samples.
        models: folder for the weight files.
    """

    stages: tuple[str, ...] = STAGES
    minutes: float = 60.0
    scenes: int = 700
    object_scenes: int = 1500
    run: Path = RUNS / "tiny"
    models: Path = TINY_MODELS
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    decoder: AutoencoderConfig = field(default_factory=lambda: AutoencoderConfig(steps=1000, decoder_only=True))
    kontext: KontextConfig = field(default_factory=KontextConfig)
    vision: VisionConfig = field(default_factory=VisionConfig)

    def __post_init__(self) -> None:
        unknown = [stage for stage in self.stages if stage not in STAGES]
        if unknown:
            raise TrainingError(f"there is no stage {unknown[0]!r}: choose from {', '.join(STAGES)}")


class TinyTraining:
    """One training run of the small Kontext. Each stage reads its inputs from the checkpoints of earlier stages."""

    def __init__(self, config: TinyConfig) -> None:
        self.config = config

    def run(self) -> None:
        """Runs the chosen stages."""
        stages: dict[str, Callable[[], None]] = {
            "autoencoder": self.autoencoder,
            "vision": self.vision,
            "kontext": self.kontext,
            "decoder": self.decoder,
        }
        for name in self.config.stages:
            console.print(f"[bold]{name}[/bold]")
            torch.manual_seed(0)
            stages[name]()

    def autoencoder(self) -> None:
        config = self.config.autoencoder
        model = train_autoencoder(self._stage("autoencoder", config.steps), config, self._images)
        self._finish_autoencoder(model)

    def decoder(self) -> None:
        """Trains only the decoder; the encoder stays, so that samples and transformer remain valid."""
        stage = self._stage("decoder", self.config.decoder.steps)
        model = train_autoencoder(stage, self.config.decoder, self._images, start=self._autoencoder)
        self._finish_autoencoder(model)

    def kontext(self) -> None:
        config = self.config.kontext
        start = None if config.start is None else load_kontext(config.start).requires_grad_(True)
        model = train_kontext(self._stage("kontext", config.steps), config, self._samples, self._tokenizers, start)
        export_kontext(model, self.config.models)

    def vision(self) -> None:
        config = self.config.vision
        model = train_vision(self._stage("vision", config.steps), config, self._samples, self._tokenizers)
        export_vision(model, self.config.models)

    def _finish_autoencoder(self, model: Autoencoder) -> None:
        export_autoencoder(model, self.config.models)
        console.print(f"autoencoder: {autoencoder_psnr(model):.2f} dB on test photos at 256 x 256")

    def _stage(self, name: str, steps: int) -> Stage:
        return Stage(name, self.config.run, steps, self.config.minutes)

    def _finished(self, name: str) -> Stage:
        """Returns a stage for reading its checkpoint; its time limit is 0."""
        return Stage(name, self.config.run, 10**9, 0)

    @cached_property
    def _images(self) -> list:
        return [photo.pixels for photo in load_photos("train")]

    @cached_property
    def _tokenizers(self) -> Tokenizers:
        return Tokenizers()

    @property
    def _autoencoder(self) -> Autoencoder:
        model = Autoencoder().to(memory_format=torch.channels_last)
        self._require(self._finished("autoencoder").restore(model=model), "autoencoder")
        return model.eval()

    @cached_property
    def _samples(self) -> EditSamples:
        path = self.config.run / "edit_samples.pt"
        return load_edit_samples(self._autoencoder, path, self.config.scenes, self.config.object_scenes)

    def _require(self, found: bool, stage: str) -> None:
        if not found:
            raise TrainingError(f"{self.config.run} has no {stage}.pt: run the stage {stage!r} first")
