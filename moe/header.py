"""The header of a safetensors file, read and checked by itself: what is in the file, without its tensors."""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import StyleExpertError
from ..paths import CONVERT_COMMAND

MAX_HEADER = 16 * 2**20
"""Bytes. The largest expert files have headers of less than 1 MiB."""

_DTYPE_BYTES = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "I8", "U8", "BOOL"), 1),
}
_TEXT = set(range(0x20, 0x7F)) | {0x09, 0x0A, 0x0D}
_AGAIN = "download it again or choose another file"


@dataclass(frozen=True)
class TensorEntry:
    """One tensor of a file: its dtype in safetensors' words, shape and size in bytes."""

    dtype: str
    shape: tuple[int, ...]
    num_bytes: int

    @property
    def is_float(self) -> bool:
        return "F" in self.dtype


@dataclass(frozen=True)
class Header:
    """What is in a safetensors file.

    Attributes:
        path: the file.
        metadata: its own entries, such as `styleroute`.
        tensors: an entry for each key.
        num_bytes: size of the file.
    """

    path: Path
    metadata: Mapping[str, str]
    tensors: Mapping[str, TensorEntry]
    num_bytes: int

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each key."""
        return {key: entry.shape for key, entry in self.tensors.items()}


def read_header(path: str | os.PathLike[str]) -> Header:
    """Reads the header of `path`, and checks that the tensors it announces fill the file exactly.

    Raises:
        StyleExpertError: there is no such file, or it is not a whole safetensors file.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            text = _header_text(path, file.read(8), size, file)
    except OSError as error:
        raise StyleExpertError(
            f"{path.name} cannot be read ({error.strerror}: {path}); check the file's name and place."
        ) from error
    header = _parse(path, text)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _damaged(path, "its metadata is not made of texts")
    spans = {key: _span(path, key, entry) for key, entry in header.items()}
    _require_filled(path, [span for span, _ in spans.values()], size - 8 - len(text))
    return Header(path, metadata, {key: entry for key, (_, entry) in spans.items()}, size)


def _header_text(path: Path, start: bytes, size: int, file: Any) -> bytes:
    if foreign := _foreign_kind(start):
        raise StyleExpertError(f"{path.name} is {foreign}, not a safetensors file; {_remedy(foreign)}.")
    length = int.from_bytes(start, "little")
    if size < 8 or size < 8 + length <= 8 + MAX_HEADER:
        raise StyleExpertError(f"{path.name} is cut short: it ends within its header after {size} bytes; {_AGAIN}.")
    if length > MAX_HEADER:
        raise StyleExpertError(
            f"{path.name} announces a header of {length} bytes, expected at most {MAX_HEADER}: "
            f"it is damaged or no safetensors file; {_AGAIN}."
        )
    return file.read(length)


def _foreign_kind(start: bytes) -> str | None:
    """What a file is, by its first 8 bytes, if it certainly is no safetensors file."""
    if start.startswith((b"PK\x03\x04", b"\x80\x02\x8a\x0a")):
        return "a PyTorch pickle (.pt)"
    if start.startswith(b"version "):
        return "a Git LFS pointer"
    # As a length, eight letters would be over 2**60 bytes.
    return "a text file" if len(start) == 8 and set(start) <= _TEXT else None


def _remedy(foreign: str) -> str:
    if "pickle" in foreign:
        return f"convert it in ComfyUI's folder with `{CONVERT_COMMAND}`"
    return "fetch the real file, whose address this one may hold" if "pointer" in foreign else _AGAIN


def _parse(path: Path, text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text.decode("utf-8"))
    # A deeply nested header ends in RecursionError.
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "its header is not JSON") from error
    if not isinstance(header, dict):
        raise _damaged(path, "its header is not a table")
    return header


def _span(path: Path, key: str, entry: Any) -> tuple[tuple[int, int], TensorEntry]:
    """((begin, end) behind the header, entry) of one tensor."""
    try:
        dtype, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        whole = all(type(number) is int and number >= 0 for number in (*shape, begin, end))
        expected = math.prod(shape) * _DTYPE_BYTES[dtype]
    except (TypeError, KeyError, ValueError) as error:
        raise _damaged(path, f"the entry of {key[:80]!r} is unreadable") from error
    if not whole or end - begin != expected:
        raise _damaged(path, f"{key[:80]!r} of shape {list(shape)} in {dtype} does not take {expected} bytes")
    return (begin, end), TensorEntry(dtype, shape, expected)


def _require_filled(path: Path, spans: list[tuple[int, int]], num_bytes: int) -> None:
    """Tensors must follow each other from the first byte to the last, as safetensors demands."""
    position = 0
    for begin, end in sorted(spans):
        if begin != position:
            raise _damaged(path, "its tensors overlap or leave gaps")
        position = end
    if position > num_bytes:
        raise StyleExpertError(
            f"{path.name} is cut short: its header announces {position:,} bytes of tensors, but {num_bytes:,} are "
            f"there; {_AGAIN}."
        )
    if position < num_bytes:
        raise _damaged(path, f"{num_bytes - position:,} bytes follow its last tensor")


def _damaged(path: Path, what: str) -> StyleExpertError:
    return StyleExpertError(f"{path.name} is damaged or no safetensors file: {what}; {_AGAIN}.")
