"""The aesthetic head from files in the published layout, on a small CLIP."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from styleroute.errors import DataError
from styleroute.evaluation.metric_models import AestheticModel, ClipModel
from styleroute.evaluation.metric_models.aesthetic import LAYERS, aesthetic_head
from torch.nn import functional

SIZES = (16, 12, 10, 8, 6, 1)
"""Widths of a small head; the published one has 768, 1024, 128, 64, 16 and 1."""


def random_head(sizes: tuple[int, ...] = SIZES) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    state = {}
    for number, (before, after) in zip(LAYERS, pairwise(sizes), strict=True):
        state[f"layers.{number}.weight"] = torch.randn(after, before, generator=generator)
        state[f"layers.{number}.bias"] = torch.randn(after, generator=generator)
    return state


def test_the_head_is_five_linear_layers_on_clips_unit_vectors(clip_folder: Path, tmp_path: Path, metric_images) -> None:
    state, clip = random_head(), ClipModel.load(clip_folder, device="cpu")
    torch.save(state, tmp_path / "head.pth")
    expected = clip.image_vectors(metric_images)
    for number in LAYERS:
        expected = functional.linear(expected, state[f"layers.{number}.weight"], state[f"layers.{number}.bias"])
    found = AestheticModel.load(tmp_path / "head.pth", clip=clip).scores(metric_images)
    torch.testing.assert_close(found, expected[:, 0], atol=1e-4, rtol=1e-4)


def test_the_published_sizes_fit() -> None:
    """The shapes of `sac+logos+ava1-l14-linearMSE.pth`."""
    head, width = aesthetic_head(random_head((768, 1024, 128, 64, 16, 1)), Path("head.pth"))
    assert width == 768
    assert head(torch.zeros(2, 768)).shape == (2, 1)


def test_a_head_for_another_clip_or_of_another_layout_is_refused(clip_folder: Path, tmp_path: Path) -> None:
    clip, file = ClipModel.load(clip_folder, device="cpu"), tmp_path / "head.pth"
    torch.save(random_head((20, *SIZES[1:])), file)
    with pytest.raises(
        DataError, match=r"reads vectors of 20 numbers, but the CLIP gives 16. Use openai/clip-vit-large"
    ):
        AestheticModel.load(file, clip=clip)
    with_relu = {key.replace("layers.2", "layers.3"): value for key, value in random_head().items()}
    torch.save(with_relu, file)
    with pytest.raises(DataError, match=r"is no linear aesthetic head: .*Download sac\+logos"):
        AestheticModel.load(file, clip=clip)
