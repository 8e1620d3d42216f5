"""CLIP (Radford et al., 2021): vectors of images and texts in one space."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...paths import METRIC_MODELS
from .catalogue import CLIP
from .image_batch import batches, require_images, unit_vectors
from .reading import device_of, load_pretrained
from .weights import find_weights


class ClipModel:
    """A CLIP of transformers with its image processor and tokenizer.

    Args:
        model: a `CLIPModel`.
        processor: its `CLIPProcessor`.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self._model, self._processor = model.eval(), processor

    @classmethod
    def load(
        cls, name: str | Path | None = None, folder: Path = METRIC_MODELS, device: str | None = None
    ) -> "ClipModel":
        """Load a CLIP from this machine.

        Args:
            name: a name at Hugging Face, or the path of a folder; None for ViT-L/14.
            folder: the folder of metric models.
            device: None for the graphics card if there is one.

        Raises:
            DataError: the weights are not on this machine or cannot be read.
        """
        from transformers import CLIPModel, CLIPProcessor

        weights = CLIP.named(name)
        path = find_weights(weights, folder)
        processor = load_pretrained(CLIPProcessor, weights, path)
        model = load_pretrained(CLIPModel, weights, path, dtype=torch.float32)
        return cls(model.to(device_of(device)), processor)

    @property
    def width(self) -> int:
        """Length of the vectors."""
        return self._model.config.projection_dim

    @torch.inference_mode()
    def image_vectors(self, images: Sequence[np.ndarray]) -> Tensor:
        """Images [H, W, 3] uint8 -> unit vectors [N, D], float32 on the CPU."""
        require_images(images)
        return unit_vectors([self._image_vectors(batch) for batch in batches(images)])

    @torch.inference_mode()
    def text_vectors(self, texts: Sequence[str]) -> Tensor:
        """Texts -> unit vectors [N, D], float32 on the CPU."""
        tokens = self._processor.tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        features = self._model.get_text_features(**tokens.to(self._model.device))
        return unit_vectors([_vectors(features)])

    def _image_vectors(self, images: Sequence[np.ndarray]) -> Tensor:
        pixels = self._processor.image_processor(images=list(images), return_tensors="pt")["pixel_values"]
        return _vectors(self._model.get_image_features(pixel_values=pixels.to(self._model.device)))


def _vectors(features: Any) -> Tensor:
    """The vectors [N, D], which newer versions of transformers put into an object."""
    return features if isinstance(features, Tensor) else features.pooler_output
