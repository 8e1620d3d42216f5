"""LPIPS: a perceptual distance of two images (Zhang et al., 2018), as torchmetrics computes it.

torchmetrics ships LPIPS's own linear layers. The network below them comes from a local file of torchvision.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchmetrics.functional.image.lpips import _LPIPS
from torchvision.transforms.functional import to_tensor

from ...errors import DataError
from ...paths import METRIC_MODELS
from .catalogue import LPIPS
from .image_batch import require_images
from .reading import device_of, load_state, read_state, weight_file
from .weights import find_weights

SMALLEST_SIDE = 64
"""Smallest height and width in pixels: the networks halve an image several times."""


class LpipsModel:
    """LPIPS with a map of distances.

    Args:
        network: torchmetrics' network, with a distance for each pixel.
    """

    def __init__(self, network: _LPIPS) -> None:
        self._network = network.eval()

    @classmethod
    def load(
        cls,
        name: str | Path | None = None,
        folder: Path = METRIC_MODELS,
        device: str | None = None,
        network: str = "alex",
    ) -> "LpipsModel":
        """Load LPIPS from this machine.

        Args:
            name: the path of torchvision's weights; None for the default file of the network.
            folder: the folder of metric models.
            device: None for the graphics card if there is one.
            network: "alex" (the authors' choice for measuring), "vgg" or "squeeze".

        Raises:
            DataError: there is no such network, or its weights are not on this machine or cannot be read.
        """
        if network not in LPIPS:
            raise DataError(f"Found the LPIPS network {network!r}, expected {', '.join(LPIPS)}: choose one of these.")
        file = weight_file(find_weights(LPIPS[network].named(name), folder))
        # `pnet_rand` keeps torchvision from downloading the network.
        lpips = _LPIPS(pretrained=True, net=network, spatial=True, pnet_rand=True)
        load_state(lpips.net, _features(lpips, read_state(file)), file, LPIPS[network].title)
        return cls(lpips.to(device_of(device)))

    @torch.inference_mode()
    def distance_map(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The distance of each pixel [H, W] of two images [H, W, 3] uint8.

        Raises:
            DataError: the images differ in size, or are smaller than `SMALLEST_SIDE`.
        """
        require_images([first], [second])
        if first.shape != second.shape or min(first.shape[:2]) < SMALLEST_SIDE:
            sizes = " and ".join(f"{height} x {width}" for height, width, _ in (first.shape, second.shape))
            raise DataError(
                f"Found images of {sizes} pixels, expected equal sizes of at least {SMALLEST_SIDE} x {SMALLEST_SIDE}: "
                "scale both images alike."
            )
        device = self._network.scaling_layer.shift.device
        pixels = [to_tensor(image)[None].to(device) for image in (first, second)]
        return self._network(*pixels, normalize=True)[0, 0].float().cpu().numpy()


def _features(lpips: _LPIPS, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's weights by the names of torchmetrics' network, which cuts the layers into slices."""
    named = {key: _torchvision_key(key) for key in lpips.net.state_dict()}
    return {key: state[source] for key, source in named.items() if source in state}


def _torchvision_key(key: str) -> str:
    """ "slice1.0.weight" or "slices.1.3.squeeze.weight" -> "features.0.weight" or "features.3.squeeze.weight"."""
    parts = key.split(".")
    return ".".join(["features", *parts[2 if parts[0] == "slices" else 1 :]])
