"""DreamSim: a learned distance of two images (Fu et al., 2023), by the optional package `dreamsim`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import DataError
from ...paths import METRIC_MODELS
from .catalogue import DREAMSIM
from .image_batch import batches, pil_images, require_images
from .reading import device_of

_DINO = ("dino_vitb16_pretrain.pth", "facebookresearch_dino_main", "checkpoints/dino_vitbase16_pretrain.pth")
"""Files that DINO needs. The package reads the last two through torch.hub."""
FILES = {
    "ensemble": (*_DINO, "clip_vitb16_pretrain.pth.tar", "open_clip_vitb16_pretrain.pth.tar", "ensemble_lora"),
    "dino_vitb16": (*_DINO, "dino_vitb16_single_lora"),
    "clip_vitb32": ("clip_vitb32_pretrain.pth.tar", "clip_vitb32_single_lora"),
    "open_clip_vitb32": ("open_clip_vitb32_pretrain.pth.tar", "open_clip_vitb32_single_lora"),
}
"""By kind of DreamSim: the files and folders that the package would otherwise download."""


class DreamSimModel:
    """DreamSim's network.

    Args:
        network: maps two batches [N, 3, S, S] in 0..1 to distances [N].
        preprocess: maps a Pillow image to [1, 3, S, S].
        device: the network's device.
    """

    def __init__(self, network: Any, preprocess: Any, device: str) -> None:
        self._network, self._preprocess, self._device = network.eval(), preprocess, device

    @classmethod
    def load(
        cls,
        name: str | Path | None = None,
        folder: Path = METRIC_MODELS,
        device: str | None = None,
        kind: str = "ensemble",
    ) -> "DreamSimModel":
        """Load DreamSim from this machine.

        Args:
            name: the path of its folder; None for "dreamsim_ensemble" in the folder of metric models.
            folder: the folder of metric models.
            device: None for the graphics card if there is one.
            kind: a key of `FILES`; "ensemble" is the authors' default.

        Raises:
            DataError: the package or a file is missing, or a file cannot be read.
        """
        if problem := dreamsim_problem(name, folder, kind):
            raise DataError(problem)
        return cls(*_load(_folder(name, folder), kind, device_of(device)), device_of(device))

    @torch.inference_mode()
    def distances(self, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> Tensor:
        """The distance [N] of each pair of images [H, W, 3] uint8, float32 on the CPU."""
        require_images(first, second)
        pairs = zip(batches(first), batches(second), strict=True)
        found = [self._network(self._pixels(one), self._pixels(other)) for one, other in pairs]
        return torch.cat([batch.float().cpu().reshape(-1) for batch in found]) if found else torch.zeros(0)

    def _pixels(self, images: Sequence[np.ndarray]) -> Tensor:
        return torch.cat([self._preprocess(image) for image in pil_images(images)]).to(self._device)


def dreamsim_problem(
    name: str | Path | None = None, folder: Path = METRIC_MODELS, kind: str = "ensemble"
) -> str | None:
    """Why DreamSim cannot be loaded, as one sentence for users; None if it can. Nothing is loaded."""
    from importlib.util import find_spec

    if kind not in FILES:
        return f"Found the DreamSim kind {kind!r}, expected {', '.join(FILES)}: choose one of these."
    if find_spec("dreamsim") is None:
        return (
            f"The package dreamsim is missing: run `pip install dreamsim`, and download its weights ({DREAMSIM.size}) "
            f"from {DREAMSIM.page} to {_folder(name, folder)}."
        )
    path = _folder(name, folder)
    if missing := [file for file in FILES[kind] if not (path / file).exists()]:
        call = f"dreamsim.dreamsim(cache_dir='{path}', device='cpu', dreamsim_type='{kind}')"
        return (
            f"DreamSim's folder {path} has no {', '.join(missing)} ({DREAMSIM.size} in all): call `{call}` once in "
            f"Python with a network, or copy the files from {DREAMSIM.page}."
        )
    return None


def _folder(name: str | Path | None, folder: Path) -> Path:
    return DREAMSIM.place(folder) if name is None else Path(name)


def _load(path: Path, kind: str, device: str) -> tuple[Any, Any]:
    hub = torch.hub.get_dir()
    try:
        from dreamsim import dreamsim

        return dreamsim(pretrained=True, device=device, cache_dir=str(path), dreamsim_type=kind)
    except (ImportError, OSError, RuntimeError, ValueError, KeyError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(
            f"DreamSim cannot be loaded from {path} ({reason}). Expected the files of {DREAMSIM.page} and "
            "the whole package dreamsim: get both again."
        ) from error
    finally:
        torch.hub.set_dir(hub)  # the package changes it
