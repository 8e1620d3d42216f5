"""DINO, DINOv2 and DINOv3: vectors of images from networks that are trained without texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...paths import METRIC_MODELS
from .catalogue import DINO
from .image_batch import batches, require_images, unit_vectors
from .reading import device_of, load_pretrained
from .weights import find_weights


class DinoModel:
    """A DINO of transformers with its image processor.

    Args:
        model: a `ViTModel`, `Dinov2Model`, `DINOv3ViTModel` or `DINOv3ConvNextModel`.
        processor: its image processor.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self._model, self._processor = model.eval(), processor

    @classmethod
    def load(
        cls, name: str | Path | None = None, folder: Path = METRIC_MODELS, device: str | None = None
    ) -> "DinoModel":
        """Load a DINO from this machine.

        Args:
            name: a name at Hugging Face, or the path of a folder; None for DINOv2 ViT-B/14.
            folder: the folder of metric models.
            device: None for the graphics card if there is one.

        Raises:
            DataError: the weights are not on this machine or cannot be read.
        """
        from transformers import AutoImageProcessor, AutoModel

        weights = DINO.named(name)
        path = find_weights(weights, folder)
        processor = load_pretrained(AutoImageProcessor, weights, path)
        model = load_pretrained(AutoModel, weights, path, dtype=torch.float32)
        return cls(model.to(device_of(device)), processor)

    @torch.inference_mode()
    def image_vectors(self, images: Sequence[np.ndarray]) -> Tensor:
        """Images [H, W, 3] uint8 -> unit vectors [N, D], float32 on the CPU."""
        require_images(images)
        return unit_vectors([self._class_tokens(batch) for batch in batches(images)])

    def _class_tokens(self, images: Sequence[np.ndarray]) -> Tensor:
        """The last states [n, D] of the class token. Its state is the vector in all generations of DINO."""
        pixels = self._processor(images=list(images), return_tensors="pt")["pixel_values"]
        return self._model(pixel_values=pixels.to(self._model.device)).last_hidden_state[:, 0]
