"""Reads one style from the expert file and moves it to ComfyUI's device, apart from any sampling."""

import os

from . import device
from .loaded_pack import loaded_pack, module_with
from .random_model import ModelSize
from .sides import Sides

REPEATS = 3
"""Styles that are read and moved."""


def measure_transfer(sides: Sides, expert_path: str) -> dict:
    """Seconds and bytes of single styles.

    Returns:
        "read": seconds to route the style, to read its experts and to collapse them; the file may be in the system's
        cache. "move": seconds to move the pairs to the device. "bytes_read", "bytes_moved", "bytes_of_file".
    """
    now, read, move = device.clock(), [], []
    module = module_with("StyleRoute_MoEApply", "branch_layers")
    patches = module_with("StyleRoute_MoEApply", "patch_keys")
    for seed in range(REPEATS):
        pack = loaded_pack(expert_path)
        began = now()
        pairs = pack.expert.collapse(pack.style(seed).embedding)
        layers = module.branch_layers(sides.base, patches.patch_keys(sides.base, pack.expert), pairs)
        read.append(now() - began)
        began = now()
        layers.to(sides.base.load_device)
        move.append(now() - began)
        moved = sum(weight.nbytes for weight in layers.parameters())
    return {
        "read": read,
        "move": move,
        "bytes_read": pack.expert.bytes_read,
        "bytes_moved": moved,
        "bytes_of_file": os.path.getsize(expert_path),
    }


def describe(sides: Sides) -> dict:
    """What the measured model is, and where it is."""
    weights = list(sides.base.model.diffusion_model.parameters())
    size: ModelSize = sides.size
    return {
        "device": device.device_name(),
        "parameters": sum(weight.numel() for weight in weights),
        "bytes": sum(weight.nbytes for weight in weights),
        "form": size.form,
    }
