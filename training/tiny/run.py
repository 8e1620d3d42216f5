"""The stages of ``styleroute train tiny`` in order. The weight files are written after the last stage is finished."""

from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path

import torch

from ...dataset.large_photos import load_large_photos
from ...dataset.large_test_photos import load_large_test_photos
from ...dataset.objects import load_objects
from ...dataset.photos import Photo, load_photos
from ...dataset.stamps import load_stamps
from ...errors import TrainingError
from ...progress import console
from ...storage.disk_space import require_writable
from .autoencoder import Autoencoder
from .config import TEST_SIZES
from .edit_samples import EditSamples, load_edit_samples
from .edit_scenes import EditScenes
from .export import export_autoencoder, export_kontext, export_vision
from .options import AutoencoderConfig, TinyConfig
from .preview_factors import fit_preview
from .prompts import Tokenizers
from .shipped import load_autoencoder, load_kontext
from .stage import Stage
from .train_autoencoder import autoencoder_images, autoencoder_psnr, train_autoencoder
from .train_kontext import train_kontext
from .train_vision import train_vision

Export = Callable[[Path], None]
"""Writes the weight files of a finished stage into a folder."""


class TinyTraining:
    """One training run of the small Kontext. Each stage reads its inputs from the checkpoints of earlier stages."""

    def __init__(self, config: TinyConfig) -> None:
        self.config = config

    def run(self) -> None:
        """Run the chosen stages, and write the weight files of all of them if they are finished.

        A stage that its time limit stopped ends the run: later stages and the weight files need finished stages.

        Raises:
            TrainingError: an earlier stage is missing or unfinished, or a loss is not finite.
            StorageError: the disk is full, or not writable.
        """
        stages: dict[str, Callable[[], Export]] = {
            "autoencoder": self.autoencoder,
            "vision": self.vision,
            "kontext": self.kontext,
            "decoder": self.decoder,
        }
        folder, exports = self.config.weights_folder, list[Export]()
        require_writable(folder / "vae.safetensors")
        for name in self.config.stages:
            console.print(f"[bold]{name}[/bold]")
            torch.manual_seed(0)
            exports.append(stages[name]())
            if stopped := self._unfinished(name, getattr(self.config, name).steps):
                console.print(f"Stopped {stopped}; run the same command again to continue. No weight file was written")
                return
        for export in exports:
            export(folder)
        console.print(f"Wrote the weight files to {folder}", soft_wrap=True)

    def autoencoder(self) -> Export:
        config = self.config.autoencoder
        start = None if config.start is None else load_autoencoder(config.start).requires_grad_(True)
        return self._train_autoencoder("autoencoder", config, start)

    def decoder(self) -> Export:
        """Trains only the decoder; the encoder stays, so that samples and transformer remain valid."""
        return self._train_autoencoder("decoder", self.config.decoder, self._autoencoder)

    def kontext(self) -> Export:
        config = self.config.kontext
        start = None if config.start is None else load_kontext(config.start).requires_grad_(True)
        model = train_kontext(self._stage("kontext", config.steps), config, self._samples, self._tokenizers, start)
        return partial(export_kontext, model)

    def vision(self) -> Export:
        config = self.config.vision
        model = train_vision(self._stage("vision", config.steps), config, self._samples, self._tokenizers)
        return partial(export_vision, model)

    def _train_autoencoder(self, name: str, config: AutoencoderConfig, start: Autoencoder | None) -> Export:
        tests = self._test_photos  # read before the training, so that a missing package stops it early
        model = train_autoencoder(self._stage(name, config.steps), config, self._images, start)
        for (height, width), photos in tests.items():
            score = autoencoder_psnr(model, photos, (height, width))
            console.print(f"{name}: {score:.2f} dB on {len(photos)} test photos at {height} x {width}")
        return partial(self._export_autoencoder, model)

    def _export_autoencoder(self, model: Autoencoder, folder: Path) -> None:
        export_autoencoder(model, folder, fit_preview(model, self._images))

    def _stage(self, name: str, steps: int = 0) -> Stage:
        return Stage(name, self.config.run, steps, self.config.minutes)

    def _unfinished(self, name: str, steps: int | None = None) -> str:
        """How far a stage is, such as "kontext after 20 of 5000 steps"; empty for a finished stage.

        Args:
            name: the stage.
            steps: number of all steps; None: as its checkpoint records. Older versions did not record it.
        """
        state = self._stage(name).checkpoint.restore() or {"step": 0}
        steps = state.get("steps", state["step"]) if steps is None else steps
        return "" if state["step"] >= steps else f"{name} after {state['step']} of {steps} steps"

    @cached_property
    def _photos(self) -> list[Photo]:
        return [*load_photos("train"), *(load_large_photos() if self.config.large_photos else ())]

    @cached_property
    def _test_photos(self) -> dict[tuple[int, int], list[Photo]]:
        return {size: load_large_test_photos(size) for size in TEST_SIZES}

    @cached_property
    def _images(self) -> list:
        return autoencoder_images(self._photos)

    @cached_property
    def _tokenizers(self) -> Tokenizers:
        return Tokenizers()

    @property
    def _autoencoder(self) -> Autoencoder:
        """The autoencoder of the finished first stage.

        Raises:
            TrainingError: the stage is missing or unfinished.
        """
        state = self._stage("autoencoder").checkpoint.restore()
        if state is None:
            raise TrainingError(f"{self.config.run} has no autoencoder.pt: run the stage 'autoencoder' first")
        if stopped := self._unfinished("autoencoder"):
            raise TrainingError(f"{self.config.run} holds {stopped}: finish the stage 'autoencoder' first")
        model = Autoencoder().to(memory_format=torch.channels_last)
        model.load_state_dict(state["model"])
        return model.eval()

    @cached_property
    def _samples(self) -> EditSamples:
        config, autoencoder, photos = self.config, self._autoencoder, self._photos
        objects = [*load_objects(), *(load_stamps() if config.large_photos else ())]
        make = EditScenes(photos, objects, autoencoder, config.object_share)
        settings = {"object_share": config.object_share, "photos": len(photos), "objects": len(objects)}
        return load_edit_samples(config.run / "edit_samples", make, config.scenes, settings)
