"""Image embeddings for comparing images: the shipped tiny SigLIP, or a CLIP or SigLIP from transformers."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..dataset.triplets import Embed
from ..errors import DataError

TINY = "tiny"
"""Name of the shipped SigLIP."""


def load_embedding(name: str) -> Embed:
    """The embedding with this name: "tiny", the name of a transformers vision model, or the folder of one.

    Raises:
        DataError: transformers cannot load the model.
    """
    return TinyEmbedding() if name == TINY else PretrainedEmbedding(name)


class TinyEmbedding:
    """The mean over tokens of the shipped SigLIP's last hidden states, because its pooling head is not shipped."""

    def __init__(self) -> None:
        from ..training.tiny.shipped import load_vision

        self._vision = load_vision()

    @torch.inference_mode()
    def __call__(self, images: list[np.ndarray]) -> Tensor:
        """N images [S, S, 3] uint8 -> [N, 192]."""
        from ..training.tiny.edit_samples import vision_size
        from ..training.tiny.train_vision import normalize

        pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255  # [N, 3, S, S]
        pixels = normalize((vision_size(pixels) * 255).round())
        return self._vision(pixels).last_hidden_state.mean(dim=1)


class PretrainedEmbedding:
    """The image vector of a transformers model: the projected vector if the model has a projection, else the pooled."""

    def __init__(self, name: str) -> None:
        from transformers import AutoImageProcessor, AutoModel

        from ..training.hub import hub_problem

        try:
            self._processor = AutoImageProcessor.from_pretrained(name)
            model = AutoModel.from_pretrained(name, dtype=torch.float32)
        except (OSError, ValueError, KeyError) as error:
            if problem := hub_problem(error):
                raise DataError(f"the image embedding {name} could not be loaded: {problem}") from error
            reason = str(error).splitlines()[0]
            raise DataError(
                f"the image embedding {name} could not be loaded ({reason}): give the name or folder of a CLIP or "
                "SigLIP vision model, or `--embedding tiny`"
            ) from error
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model = model.eval().to(self._device)

    @torch.inference_mode()
    def __call__(self, images: list[np.ndarray]) -> Tensor:
        """N images [S, S, 3] uint8 -> [N, D]."""
        pixels = self._processor(images=images, return_tensors="pt")["pixel_values"].to(self._device)
        features = getattr(self._model, "get_image_features", self._model)(pixel_values=pixels)
        return _vector(features)


def _vector(features: Any) -> Tensor:
    """The image vectors [N, D] in the output of a model, which depends on the model and the version of transformers."""
    if isinstance(features, Tensor):
        return features
    pooled = getattr(features, "pooler_output", None)
    return features.last_hidden_state.mean(dim=1) if pooled is None else pooled
