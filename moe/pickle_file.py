"""Reads PyTorch's .pt files, which are pickles, without running code from them and without trusting their sizes."""

import pickle
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import StyleExpertError
from ..plain_text import quoted

ZIP_START, LEGACY_START = b"PK\x03\x04", b"\x80\x02\x8a\x0a"
"""First bytes of a file by torch.save, and by torch.save before PyTorch 1.6."""
_PROTOCOLS = range(2, 6)


def is_pickle(start: bytes, size: int) -> bool:
    """Whether a file is a pickle, by its first 8 bytes and its size in bytes. Its name does not matter."""
    if start.startswith((ZIP_START, LEGACY_START)):
        return True
    # A safetensors file may start with the same byte, but then the number in its first 8 bytes fits into the file.
    is_protocol = len(start) == 8 and start[0] == 0x80 and start[1] in _PROTOCOLS
    return is_protocol and int.from_bytes(start, "little") > size


def read_pickle(path: Path, size: int) -> dict[str, Tensor]:
    """The state dict of a PyTorch file of `size` bytes. Its tensors are unchecked: `checked_copies` reads them.

    Raises:
        StyleExpertError: the file cannot be read, is compressed, or holds more than a state dict.
    """
    try:
        if is_zip := zipfile.is_zipfile(path):
            _require_stored(path, size)
        loaded = _unpickled(path, is_zip)
    except StyleExpertError:
        raise
    except pickle.UnpicklingError as error:
        raise StyleExpertError(
            f"{path.name} holds more than weights, or is no PyTorch file, so it is not unpickled for safety. Ask its "
            "author for a safetensors file or a plain state dict."
        ) from error
    # Arbitrary bytes make the unpickler raise arbitrary errors.
    except Exception as error:
        reason = quoted(str(error).split("\n")[0])
        raise StyleExpertError(
            f"{path.name} cannot be read as a PyTorch file ({type(error).__name__}: {reason}). Download it again."
        ) from error
    return _state_dict(path, loaded)


def checked_copies(path: Path, state: Mapping[str, Tensor], keys: Iterable[str], size: int) -> dict[str, Tensor]:
    """Copies of some tensors of a state dict, by key.

    Raises:
        StyleExpertError: a tensor is not stored number by number in the file of `size` bytes.
    """
    chosen = {key: state[key] for key in keys}
    for key, weight in chosen.items():
        _require_stored_numbers(path, key, weight)
    if (needed := sum(weight.numel() * weight.element_size() for weight in chosen.values())) > size:
        raise StyleExpertError(
            f"The tensors in {path.name} need {needed:,} bytes, but the file has {size:,}: they share their numbers. "
            "Ask its author for a safetensors file."
        )
    # Tensors of a pickle may share memory, which safetensors refuses, so they are cloned.
    return {key: weight.detach().clone(memory_format=torch.contiguous_format) for key, weight in chosen.items()}


def _unpickled(path: Path, is_zip: bool) -> Any:
    """The object in the file, by torch's unpickler for weights."""
    if path.suffix == ".safetensors":  # torch would decide by this name
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            return _unpickled(Path(shutil.copyfile(path, Path(folder, "weights.pt"))), is_zip)
    with warnings.catch_warnings(action="ignore"):  # about rare tensors, which are refused later
        # Mapped, each tensor stays inside the file. Without mapping, old versions of torch believe the pickle's sizes.
        return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)


def _require_stored(path: Path, size: int) -> None:
    """Check that nothing in the archive is compressed: a file of a few kilobytes could become gigabytes."""
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
    is_compressed = any(part.compress_type != zipfile.ZIP_STORED for part in parts)
    if is_compressed or sum(part.file_size for part in parts) > size:
        raise StyleExpertError(
            f"{path.name} is a compressed archive, expected a file as torch.save writes it. Unpack it first if it is a "
            "folder of files, or ask its author for a safetensors file."
        )


def _state_dict(path: Path, loaded: Any) -> dict[str, Tensor]:
    """The state dict in the unpickled object; trainers often nest it one level down."""
    for name in ("state_dict", "model", "module"):
        if isinstance(loaded, dict) and isinstance(loaded.get(name), dict):
            loaded = loaded[name]
    if not isinstance(loaded, dict) or not loaded or not all(_is_entry(*item) for item in loaded.items()):
        raise StyleExpertError(f"{path.name} holds no state dict of tensors. Save the model's state_dict() instead.")
    return dict(loaded)


def _is_entry(key: Any, value: Any) -> bool:
    return type(key) is str and isinstance(value, Tensor)


def _require_stored_numbers(path: Path, key: str, weight: Tensor) -> None:
    if found := _special_kind(weight):
        raise StyleExpertError(
            f"{quoted(key)} in {path.name} is {found}, expected a plain tensor whose numbers are all in the file. "
            "Ask its author for a safetensors file."
        )


def _special_kind(weight: Tensor) -> str | None:
    """What is special about a tensor; None for a dense tensor on the CPU with as many stored numbers as its shape."""
    if type(weight) not in (Tensor, torch.nn.Parameter):
        return f"a {type(weight).__name__}"
    if weight.device.type != "cpu":
        return f"on the device {quoted(weight.device.type)} and has no numbers"
    if weight.is_quantized:
        return "quantised"
    if weight.layout is not torch.strided or weight.is_nested:
        return "sparse or nested"
    if weight.numel() * weight.element_size() > weight.untyped_storage().nbytes():
        return f"an expanded tensor of {weight.numel():,} numbers"
    return None if weight.numel() else "empty"
