"""Images by colour, an embedding that is the mean colour, and the files of a data set."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor


def mean_colour(images: list[np.ndarray]) -> Tensor:
    """Images [S, S, 3] -> [N, 3]."""
    return torch.from_numpy(np.stack([image.mean((0, 1)) for image in images])).float()


def all_bytes(folder: Path) -> dict[str, bytes]:
    """Every file by its path in the folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def embed():
    return mean_colour


@pytest.fixture
def read_all():
    return all_bytes
