"""LPIPS: equal to its formula on torchvision's networks and torchmetrics' linear layers."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torchmetrics.functional.image as torchmetrics_image
from styleroute.errors import DataError
from styleroute.evaluation.metric_models import LpipsModel
from styleroute.evaluation.metric_models.catalogue import LPIPS
from torch.nn import functional
from torchvision import models
from torchvision.transforms.functional import to_tensor

NETWORKS = {
    "alex": (models.alexnet, (1, 4, 7, 9, 11)),
    "vgg": (models.vgg16, (3, 8, 15, 22, 29)),
    "squeeze": (models.squeezenet1_1, (1, 4, 7, 9, 10, 11, 12)),
}
"""torchvision's network, and the layers whose features LPIPS compares."""
SHIFT, SCALE = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])


def random_features(network: str) -> torch.nn.Sequential:
    """The convolutions of a network with random weights. The unused classifier stays without memory."""
    with torch.device("meta"):
        features = NETWORKS[network][0](weights=None).features
    features.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    for parameter in features.parameters():
        width = parameter[0].numel()
        parameter.data = torch.randn(parameter.shape, generator=generator) * (2 / width) ** 0.5
    return features.eval()


def reference_map(features: torch.nn.Sequential, network: str, images: list[np.ndarray]) -> torch.Tensor:
    """LPIPS's map [H, W] by its formula (Zhang et al., 2018, equation 1)."""
    folder = Path(torchmetrics_image.__file__).parent / "lpips_models"
    linear = torch.load(folder / f"{network}.pth", weights_only=True, map_location="cpu")
    states = torch.stack([to_tensor(image) * 2 - 1 for image in images])
    states = (states - SHIFT[:, None, None]) / SCALE[:, None, None]
    total, compared = torch.zeros(images[0].shape[:2]), 0
    for number, layer in enumerate(features):
        states = layer(states)
        if number in NETWORKS[network][1]:
            first, second = states / (states.square().sum(1, keepdim=True) + 1e-8).sqrt()
            weighted = ((first - second) ** 2 * linear[f"lin{compared}.model.1.weight"][0]).sum(0)
            total += functional.interpolate(weighted[None, None], total.shape, mode="bilinear")[0, 0]
            compared += 1
    return total


@pytest.mark.parametrize("network", NETWORKS)
def test_the_map_equals_lpips_formula(network: str, tmp_path: Path, metric_images) -> None:
    features = random_features(network)
    torch.save(
        {f"features.{key}": value for key, value in features.state_dict().items()}, tmp_path / LPIPS[network].name
    )
    images = [metric_images[0], metric_images[0][::-1].copy()]
    with torch.no_grad():
        expected = reference_map(features, network, images).numpy()
    found = LpipsModel.load(folder=tmp_path, device="cpu", network=network).distance_map(*images)
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-3)
    assert found.mean() > 0.01


def test_wrong_networks_files_and_sizes_are_refused(lpips_file: Path, tmp_path: Path, metric_images) -> None:
    with pytest.raises(DataError, match=r"the LPIPS network 'resnet', expected alex, vgg, squeeze"):
        LpipsModel.load(network="resnet")
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(DataError, match=r"do not fit SqueezeNet for LPIPS"):
        LpipsModel.load(tmp_path / "other.pth", network="squeeze")
    lpips = LpipsModel.load(lpips_file, device="cpu", network="squeeze")
    with pytest.raises(DataError, match=r"images of 64 x 64 and 64 x 80 pixels, expected equal sizes"):
        lpips.distance_map(metric_images[0], metric_images[1])
    small = metric_images[0][:32]
    with pytest.raises(DataError, match=r"of at least 64 x 64"):
        lpips.distance_map(small, small)
