"""Reads an image as a tensor, in ComfyUI's layout."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .image_reader import read_image


def read_image_tensor(path: Path) -> Tensor:
    """Reads an image as float32 [H, W, 3] in 0..1; `read_image` says what happens to colours and transparency.

    Raises:
        DataError: the file is missing, broken, too large or not an image.
    """
    return torch.from_numpy(np.array(read_image(path))).float() / 255
