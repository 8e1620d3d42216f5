"""Stand-ins for the pictures that training fetches, so that its tests need no network; and ComfyUI, where it is."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from styleroute.training.comfy import ComfyNotFound, find_comfyui
from styleroute.training.data.objects import Cutout
from styleroute.training.data.photos import Photo


@pytest.fixture
def photo() -> Photo:
    return Photo("noise", np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8))


@pytest.fixture
def objects() -> list[Cutout]:
    """An orange ball and a green coin."""
    disc = np.zeros((64, 64, 4), dtype=np.uint8)
    rows, cols = np.mgrid[:64, :64]
    disc[(rows - 32) ** 2 + (cols - 32) ** 2 < 900] = (230, 120, 60, 255)
    return [Cutout("ball", disc), Cutout("coin", disc[..., [1, 0, 2, 3]])]


@pytest.fixture(scope="session")
def comfyui() -> Path:
    """ComfyUI's folder, importable in this process and set to the CPU; without one the test is skipped."""
    try:
        folder = find_comfyui()
    except ComfyNotFound as error:
        pytest.skip(str(error))
    sys.path.insert(0, str(folder))
    importlib.import_module("comfy.cli_args").args.cpu = True
    return folder
