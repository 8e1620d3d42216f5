"""Reads and checks the header of a safetensors file, which lists the tensors, without reading the tensors."""

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
"""Upper limit for the header, in bytes: 16 MiB. The largest expert files have headers of less than 1 MiB."""

_DTYPE_BYTES = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "I8", "U8", "BOOL"), 1),
}
FLOATS = frozenset(("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"))
"""Dtypes of weights. F8_E8M0 has neither sign nor zero: it holds the scales of quantized weights."""
_TEXT = set(range(0x20, 0x7F)) | {0x09, 0x0A, 0x0D}
_AGAIN = "Download it again or choose another file"


@dataclass(frozen=True)
class TensorEntry:
    """One tensor of a file: its dtype in safetensors' notation, its shape, and its size in bytes."""

    dtype: str
    shape: tuple[int, ...]
    num_bytes: int

    @property
    def is_float(self) -> bool:
        """Whether the tensor can hold weights."""
        return self.dtype in FLOATS


@dataclass(frozen=True)
class Header:
    """The header of a safetensors file.

    Attributes:
        path: the file.
        metadata: text entries, such as `styleroute`.
        tensors: by key, the tensor's entry.
        num_bytes: size of the whole file in bytes.
    """

    path: Path
    metadata: Mapping[str, str]
    tensors: Mapping[str, TensorEntry]
    num_bytes: int

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor, by key."""
        return {key: entry.shape for key, entry in self.tensors.items()}


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read the header of `path`, and check that its tensors fill the file exactly.

    Raises:
        StyleExpertError: the file does not exist, or is not a complete safetensors file.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            text = _header_text(path, file.read(8), size, file)
    except OSError as error:
        raise StyleExpertError(
            f"{path.name} cannot be read ({error.strerror}: {path}). Check the file's name and folder."
        ) from error
    header = _parse(path, text)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _damaged(path, "its metadata is not a table of texts")
    spans = {key: _span(path, key, entry) for key, entry in header.items()}
    _require_filled(path, [span for span, _ in spans.values()], size - 8 - len(text))
    return Header(path, metadata, {key: entry for key, (_, entry) in spans.items()}, size)


def _header_text(path: Path, start: bytes, size: int, file: Any) -> bytes:
    if foreign := _foreign_kind(start):
        raise StyleExpertError(f"{path.name} is {foreign}, expected a safetensors file. {_remedy(foreign)}.")
    length = int.from_bytes(start, "little")
    if size < 8 or size < 8 + length <= 8 + MAX_HEADER:
        raise StyleExpertError(f"{path.name} is cut short: it ends inside its header after {size} bytes. {_AGAIN}.")
    if length > MAX_HEADER:
        raise StyleExpertError(
            f"{path.name} announces a header of {length} bytes, expected at most {MAX_HEADER}: "
            f"it is damaged or no safetensors file. {_AGAIN}."
        )
    return file.read(length)


def _foreign_kind(start: bytes) -> str | None:
    """Kind of a file that is certainly no safetensors file, from its first 8 bytes; else None."""
    if start.startswith((b"PK\x03\x04", b"\x80\x02\x8a\x0a")):
        return "a PyTorch pickle (.pt)"
    if start.startswith(b"version "):
        return "a Git LFS pointer"
    # Eight letters, read as the header's length, would be over 2**60 bytes.
    return "a text file" if len(start) == 8 and set(start) <= _TEXT else None


def _remedy(foreign: str) -> str:
    if "pickle" in foreign:
        return f"Convert it in ComfyUI's folder with `{CONVERT_COMMAND}`"
    return "Download the real file, to which this one points" if "pointer" in foreign else _AGAIN


def _parse(path: Path, text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text.decode("utf-8"))
    # A deeply nested header raises RecursionError.
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "its header is not JSON") from error
    if not isinstance(header, dict):
        raise _damaged(path, "its header is not a table")
    return header


def _span(path: Path, key: str, entry: Any) -> tuple[tuple[int, int], TensorEntry]:
    """((begin, end), entry) of one tensor; the offsets count from the end of the header."""
    try:
        dtype, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        whole = all(type(number) is int and number >= 0 for number in (*shape, begin, end))
        expected = math.prod(shape) * _DTYPE_BYTES[dtype]
    except (TypeError, KeyError, ValueError) as error:
        raise _damaged(path, f"the entry of {key[:80]!r} is unreadable") from error
    if not whole or end - begin != expected:
        raise _damaged(path, f"{key[:80]!r} of shape {list(shape)} in {dtype} does not have {expected} bytes")
    return (begin, end), TensorEntry(dtype, shape, expected)


def _require_filled(path: Path, spans: list[tuple[int, int]], num_bytes: int) -> None:
    """Check that the tensors fill the file from the first byte to the last without gaps, as safetensors requires."""
    position = 0
    for begin, end in sorted(spans):
        if begin != position:
            raise _damaged(path, "its tensors overlap or leave gaps")
        position = end
    if position > num_bytes:
        raise StyleExpertError(
            f"{path.name} is cut short: it holds {num_bytes:,} bytes of tensors, but its header announces "
            f"{position:,}. {_AGAIN}."
        )
    if position < num_bytes:
        raise _damaged(path, f"{num_bytes - position:,} bytes follow its last tensor")


def _damaged(path: Path, what: str) -> StyleExpertError:
    return StyleExpertError(f"{path.name} is damaged or no safetensors file: {what}. {_AGAIN}.")
