"""LAION's aesthetic predictor: a small network on CLIP's image vectors (Schuhmann, 2022)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import DataError
from ...paths import METRIC_MODELS
from .catalogue import AESTHETIC, CLIP
from .clip import ClipModel
from .reading import read_state, weight_file
from .weights import find_weights

LAYERS = (0, 2, 4, 6, 7)
"""Numbers of the five linear layers in the published file. Between them lies only dropout, which is off here."""


class AestheticModel:
    """The predictor and the CLIP below it.

    Args:
        clip: the CLIP whose vectors the head was trained on, which is ViT-L/14.
        head: maps unit vectors [N, D] to scores [N, 1].
    """

    def __init__(self, clip: ClipModel, head: nn.Module) -> None:
        self._clip, self._head = clip, head.eval()

    @classmethod
    def load(
        cls, name: str | Path | None = None, folder: Path = METRIC_MODELS, clip: ClipModel | None = None
    ) -> "AestheticModel":
        """Load the head, and CLIP unless it is given.

        Args:
            name: the path of a published head; None for LAION's linear head.
            folder: the folder of metric models.
            clip: a loaded CLIP ViT-L/14.

        Raises:
            DataError: the weights are not on this machine, cannot be read, or do not fit the CLIP.
        """
        file = weight_file(find_weights(AESTHETIC.named(name), folder))
        head, width = aesthetic_head(read_state(file), file)
        clip = ClipModel.load(folder=folder) if clip is None else clip
        if clip.width != width:
            raise DataError(
                f"The aesthetic head in {file} reads vectors of {width} numbers, but the CLIP gives {clip.width}. Use "
                f"{CLIP.name}."
            )
        return cls(clip, head)

    @torch.inference_mode()
    def scores(self, images: Sequence[np.ndarray]) -> Tensor:
        """Images [H, W, 3] uint8 -> scores [N]."""
        if not len(images):
            return torch.zeros(0)
        return self._head(self._clip.image_vectors(images)).squeeze(-1).float()


def aesthetic_head(state: Mapping[str, Tensor], file: Path) -> tuple[nn.Sequential, int]:
    """The head and the length of the vectors that it reads.

    Args:
        state: the tensors of a published file, "layers.0.weight" and so on.
        file: the file that they come from, for errors.

    Raises:
        DataError: the tensors are no aesthetic head.
    """
    if state.keys() != {f"layers.{number}.{part}" for number in LAYERS for part in ("weight", "bias")}:
        raise DataError(
            f"{file} is no linear aesthetic head: expected layers.N.weight and layers.N.bias for N in {LAYERS}. "
            f"Download {AESTHETIC.name} from {AESTHETIC.page}."
        )
    layers = [_linear(state[f"layers.{number}.weight"], state[f"layers.{number}.bias"]) for number in LAYERS]
    return nn.Sequential(*layers), layers[0].in_features


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.load_state_dict({"weight": weight.float(), "bias": bias.float()})
    return linear
