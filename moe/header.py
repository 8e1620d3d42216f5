"""Reads and checks the header of a safetensors file, which lists the tensors, without reading the tensors."""

import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, NoReturn, TypeGuard

from ..errors import StyleExpertError
from ..files import FileState, open_regular, state_of
from ..paths import CONVERT_COMMAND
from ..plain_text import quoted

MAX_HEADER = 16 * 2**20
"""Upper limit for the header, in bytes: 16 MiB. The largest expert files have headers of less than 1 MiB."""
MAX_TENSORS = 20_000
"""Upper limit for the number of tensors. Expert files for the whole of FLUX.1 have about 2,500."""
MAX_DIMENSIONS = 8
"""Upper limit for the dimensions of a tensor. The tensors of expert files have at most 3."""
MAX_SIZE = 2**48
"""Upper limit for one size of a shape. No disk holds so many numbers, and products of such sizes stay small."""

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
    """One tensor of a file.

    Attributes:
        dtype: the dtype in safetensors' notation, such as "BF16".
        shape: its sizes, all of them at least 1.
        begin: position of its first byte in the file.
        num_bytes: its size in bytes.
    """

    dtype: str
    shape: tuple[int, ...]
    begin: int
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
        state: the file's state when its header was read; another state means another content.
    """

    path: Path
    metadata: Mapping[str, str]
    tensors: Mapping[str, TensorEntry]
    state: FileState

    @property
    def num_bytes(self) -> int:
        """Size of the whole file in bytes."""
        return self.state[-1]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor, by key."""
        return {key: entry.shape for key, entry in self.tensors.items()}


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read the header of `path`, and check that its tensors fill the file exactly.

    All types and counts are checked before anything is calculated from them.

    Raises:
        StyleExpertError: the file does not exist, or is not a complete safetensors file.
    """
    path = Path(path)
    try:
        with open_regular(path) as file:
            state = state_of(file)
            text = _header_text(path, file, size=state[-1])
    except OSError as error:
        raise StyleExpertError(
            f"{path.name} cannot be read ({error.strerror}: {path}). Check the file's name and folder."
        ) from error
    header = _parse(path, text)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _damaged(path, "its metadata is not a table of texts")
    if len(header) > MAX_TENSORS:
        raise _damaged(path, f"it announces {len(header):,} tensors, expected at most {MAX_TENSORS:,}")
    data_start = 8 + len(text)
    tensors = {key: _tensor_entry(path, key, value, data_start) for key, value in header.items()}
    _require_filled(path, tensors.values(), data_start, state[-1])
    return Header(path, metadata, tensors, state)


def _header_text(path: Path, file: FileIO, size: int) -> bytes:
    start = file.read(8)
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
    if not text.startswith(b"{"):
        raise _damaged(path, "its header is not a table")
    try:
        header = json.loads(text.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_without_doubles)
        # Python reads a lone surrogate such as "\\ud800", but it is no text: nothing can encode it.
        if re.search(rb"\\u[dD][89a-fA-F]", text):
            json.dumps(header, ensure_ascii=False).encode("utf-8")
    # A deeply nested header raises RecursionError.
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "its header is not JSON") from error
    return header


def _refuse_constant(name: str) -> NoReturn:
    raise StyleExpertError(f"{name} is no JSON")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON table. Two entries with one name are refused: programs differ in which of them they read."""
    table = dict(pairs)
    if len(table) < len(pairs):
        raise StyleExpertError("a name stands twice in one table")
    return table


def _tensor_entry(path: Path, key: str, value: Any, data_start: int) -> TensorEntry:
    """The entry of one tensor, from its values in the header; offsets there count from the end of the header."""
    fields = value if isinstance(value, dict) else {}
    dtype, shape, offsets = fields.get("dtype"), fields.get("shape"), fields.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in _DTYPE_BYTES:
        raise _damaged(path, f"the dtype of {quoted(key)} is {quoted(dtype)}")
    if not _are_whole(shape) or len(shape) > MAX_DIMENSIONS:
        raise _damaged(path, f"the shape of {quoted(key)} is {quoted(shape)}")
    if not _are_whole(offsets) or len(offsets) != 2:
        raise _damaged(path, f"the position of {quoted(key)} is {quoted(offsets)}")
    (begin, end), expected = offsets, math.prod(shape) * _DTYPE_BYTES[dtype]
    if end - begin != expected:
        raise _damaged(path, f"{quoted(key)} of shape {shape} in {dtype} does not have {expected:,} bytes")
    if not expected:
        raise _damaged(path, f"{quoted(key)} of shape {shape} holds no number")
    return TensorEntry(dtype, tuple(shape), data_start + begin, expected)


def _are_whole(numbers: Any) -> TypeGuard[list[int]]:
    """Whether `numbers` is a list of whole numbers from 0 to `MAX_SIZE`."""
    return isinstance(numbers, list) and all(type(number) is int and 0 <= number <= MAX_SIZE for number in numbers)


def _require_filled(path: Path, entries: Iterable[TensorEntry], data_start: int, size: int) -> None:
    """Check that the tensors fill the file from the first byte to the last without gaps, as safetensors requires."""
    position = data_start
    for begin, num_bytes in sorted((entry.begin, entry.num_bytes) for entry in entries):
        if begin != position:
            raise _damaged(path, "its tensors overlap or leave gaps")
        position = begin + num_bytes
    if position > size:
        raise StyleExpertError(
            f"{path.name} is cut short: it holds {size - data_start:,} bytes of tensors, but its header announces "
            f"{position - data_start:,}. {_AGAIN}."
        )
    if position < size:
        raise _damaged(path, f"{size - position:,} bytes follow its last tensor")


def _damaged(path: Path, what: str) -> StyleExpertError:
    return StyleExpertError(f"{path.name} is damaged or no safetensors file: {what}. {_AGAIN}.")
