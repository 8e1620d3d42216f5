"""The pipeline of diffusers that generates a protocol's images, loaded once for all systems of a run."""

import gc
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ...generation.kontext import PRECISIONS, TINY, load_kontext
from ...generation.pipeline import StyleKontextPipeline
from ...generation.style_change import set_style
from ...moe import StyleExpert
from ...paths import TINY_MODELS
from ...progress import console
from ...training.bases.kontext import KontextBase
from .options import DiffusersOptions

BASE_ALONE = "Kontext"
"""Name of the base model without experts in tables."""


class LoadedPipeline:
    """The pipeline of a run, as a context manager. It is loaded for the first missing image, and serves all systems.

    Args:
        options: base model, precision and sampling.
        device: device of this process; the option `device` goes before it.

    Raises:
        TrainingError: there is no such base model.
    """

    def __init__(self, options: DiffusersOptions, device: str) -> None:
        self.options, self._device = options, options.device or device
        self.is_tiny = options.base == TINY
        self.identity = TINY if self.is_tiny else KontextBase(options.base).identity
        self.files = sorted(TINY_MODELS.glob("*.safetensors")) if self.is_tiny else []

    @cached_property
    def pipeline(self) -> StyleKontextPipeline:
        """The pipeline, without diffusers' progress bars."""
        with console.status("Loading the pipeline"):
            loaded = load_kontext(self.options.base, self._device, PRECISIONS[self.options.precision])
        loaded.set_progress_bar_config(disable=True)
        return loaded

    def __enter__(self) -> "LoadedPipeline":
        return self

    def __exit__(self, *details: object) -> None:
        """Make room for the metrics' models."""
        self.__dict__.pop("pipeline", None)
        gc.collect()
        if torch.accelerator.is_available():
            torch.accelerator.empty_cache()

    def settings(self, **more: Any) -> dict[str, Any]:
        """Everything in the options that changes the images, and more."""
        names = ("strength", "steps", "guidance", "text_tokens", "precision")
        return {name: getattr(self.options, name) for name in names} | {"base": self.identity} | more

    def sampling(self, recorded: int | None, usual: int) -> dict[str, Any]:
        """Arguments of the pipeline.

        Args:
            recorded: length of the prompts in the experts' training, if their file records it.
            usual: length without a record.
        """
        tokens = self.pipeline.text_tokens if self.is_tiny else self.options.text_tokens or recorded or usual
        return {
            "num_inference_steps": self.options.steps,
            "guidance_scale": self.options.guidance,
            "max_sequence_length": tokens,
        }

    def set_size(self, side: int) -> None:
        """Generate square images of this size, instead of the base model's own sizes."""
        self.pipeline.sizes = ((side, side),)

    def use(self, expert: StyleExpert | None, layers: Sequence[str], embedding: Tensor | None) -> None:
        """Change the style of the next images.

        Args:
            expert: the experts; None for the base model alone.
            layers: the experts' layers that the base model has.
            embedding: the style [1, cond_dim]; None for a plain LoRA.
        """
        pairs = {} if expert is None else expert.collapse(embedding, self.options.strength)
        set_style(self.pipeline, {layer: pairs[layer] for layer in layers})
