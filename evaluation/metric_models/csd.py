"""CSD: Contrastive Style Descriptors, a CLIP vision tower with a projection that is trained on styles.

Somepalli et al., "Measuring Style Similarity in Diffusion Models", 2024. The package `csd` of the Python index is
something else.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

from ...errors import DataError
from ...paths import METRIC_MODELS
from .catalogue import CSD
from .image_batch import batches, pil_images, require_images, unit_vectors
from .openai_vision import image_side, pooled, vision_tower
from .reading import device_of, read_state, weight_file
from .weights import find_weights

if TYPE_CHECKING:
    from transformers import CLIPVisionModel

MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""CLIP's mean and standard deviation of the colour channels."""
BACKBONE, PROJECTION = "backbone.", "last_layer_style"
"""Names in the published checkpoint. Its content projection is not part of the metric."""


class CsdModel(nn.Module):
    """CSD's vision tower and style projection.

    Args:
        tower: the vision tower.
        projection: [D, style vector].
        side: height and width in pixels of the images that the tower reads.
    """

    def __init__(self, tower: "CLIPVisionModel", projection: Tensor, side: int) -> None:
        super().__init__()
        self.tower = tower
        self.projection = nn.Parameter(projection.float(), requires_grad=False)
        self._pixels = Compose(
            [
                Resize(side, InterpolationMode.BICUBIC),
                CenterCrop(side),
                ToTensor(),
                Normalize(MEAN, DEVIATION),
            ]
        )
        self.eval()

    @classmethod
    def load(
        cls, name: str | Path | None = None, folder: Path = METRIC_MODELS, device: str | None = None
    ) -> "CsdModel":
        """Load CSD from this machine.

        Args:
            name: a name at Hugging Face, or the path of a folder or checkpoint; None for the published ViT-L/14.
            folder: the folder of metric models.
            device: None for the graphics card if there is one.

        Raises:
            DataError: the weights are not on this machine or cannot be read.
        """
        file = weight_file(find_weights(CSD.named(name), folder))
        return cls.from_state(read_state(file), file).to(device_of(device))

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], file: Path) -> "CsdModel":
        """From the checkpoint's tensors; `file` is named in errors.

        Raises:
            DataError: weights are missing or do not fit.
        """
        tower = {key.removeprefix(BACKBONE): value for key, value in state.items() if key.startswith(BACKBONE)}
        if PROJECTION not in state or "conv1.weight" not in tower:
            raise DataError(
                f"{file} is no CSD checkpoint: {PROJECTION} or {BACKBONE}conv1.weight is missing. Download {CSD.name} "
                f"from {CSD.page}."
            )
        return cls(vision_tower(tower, file, CSD.title), state[PROJECTION], image_side(tower))

    @torch.inference_mode()
    def image_vectors(self, images: Sequence[np.ndarray]) -> Tensor:
        """Images [H, W, 3] uint8 -> unit style vectors [N, D], float32 on the CPU."""
        require_images(images)
        return unit_vectors([self._style_vectors(batch) for batch in batches(images)])

    def _style_vectors(self, images: Sequence[np.ndarray]) -> Tensor:
        pixels = torch.stack([self._pixels(image) for image in pil_images(images)])
        return pooled(self.tower, pixels) @ self.projection
