"""Reads weight files and folders of transformers from this machine only."""

import argparse
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ...errors import DataError
from .weights import PublishedWeights

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin", "checkpoint.pth")
"""Names of weight files in a downloaded folder, in the order in which they are searched."""
_NESTED = ("model_state_dict", "state_dict", "model")
"""Keys under which trainers store a state dict."""
_UNREADABLE = (OSError, RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError, SafetensorError)
"""Everything that torch and safetensors raise for a broken or foreign file."""


def device_of(name: str | None) -> str:
    """The device with this name; without a name, the graphics card if there is one, else the CPU."""
    return name or ("cuda" if torch.cuda.is_available() else "cpu")


def load_pretrained(kind: Any, weights: PublishedWeights, path: Path, **options: Any) -> Any:
    """`kind.from_pretrained` of a folder of transformers.

    Args:
        kind: a class of transformers, such as `CLIPModel`.
        weights: the weights in the folder.
        path: the folder.
        options: more arguments of `from_pretrained`.

    Raises:
        DataError: the folder is not complete, or holds something else.
    """
    try:
        return kind.from_pretrained(path, local_files_only=True, **options)
    except (*_UNREADABLE, TypeError, AttributeError, ImportError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(
            f"{weights.title} cannot be loaded from {path} ({reason}). Expected a whole copy of {weights.name} with "
            "its configuration and processor: download it again."
        ) from error


def weight_file(path: Path) -> Path:
    """The weight file at `path`, which is the file itself or its folder.

    Raises:
        DataError: the folder holds no weight file.
    """
    if path.is_file():
        return path
    found = [path / name for name in WEIGHT_FILES if (path / name).is_file()]
    found += sorted(path.glob("*.safetensors")) + sorted(path.glob("*.pth"))
    if not found:
        raise DataError(f"{path} holds no weights, expected {' or '.join(WEIGHT_FILES)}: download the model again.")
    return found[0]


def read_state(file: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, or of a PyTorch file, without running code from it.

    Keys lose the start "module.", which parallel training adds.

    Raises:
        DataError: the file cannot be read, or holds no state dict.
    """
    try:
        state = load_file(file) if file.suffix == ".safetensors" else _unpickled(file)
    except _UNREADABLE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(
            f"{file} cannot be read as weights ({reason}). Expected a whole .safetensors or PyTorch file: download it "
            "again."
        ) from error
    tensors = {key.removeprefix("module."): value for key, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise DataError(f"{file} holds no weights, expected a model's state dict: download it again.")
    return tensors


def _unpickled(file: Path) -> Mapping[str, Any]:
    # The checkpoint of CSD's trainer holds its command line, too, which is an `argparse.Namespace`.
    with torch.serialization.safe_globals([argparse.Namespace]):
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    for key in _NESTED:
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            return loaded[key]
    return loaded if isinstance(loaded, dict) else {}


def load_state(module: nn.Module, state: Mapping[str, Tensor], file: Path, title: str) -> None:
    """Load a state dict into a module.

    Raises:
        DataError: keys are missing or left over, or shapes differ.
    """
    try:
        module.load_state_dict(dict(state), strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise DataError(
            f"The weights in {file} do not fit {title} ({reason}). Expected the published file: download it again."
        ) from error
