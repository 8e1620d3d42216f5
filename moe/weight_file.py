"""Reads tensors, or single experts from tensors, from a safetensors file at their offsets, and counts the bytes.

The file is never mapped into memory: if another program cuts a mapped file short, the operating system ends the process
that reads it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import FileIO

import torch
from torch import Tensor

from ..errors import StyleExpertError
from ..files import open_regular, state_of
from ..plain_text import short
from .header import Header, TensorEntry

CHUNK_BYTES = 8 * 2**20
"""Size of the pieces in which `OpenWeights.is_finite` reads a tensor, in bytes. It is a multiple of every item size."""

DTYPES = {
    **{f"F{bits}": getattr(torch, f"float{bits}") for bits in (16, 32, 64)},
    **{f"I{bits}": getattr(torch, f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"U{bits}": getattr(torch, f"uint{bits}") for bits in (8, 16, 32, 64)},
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "C64": torch.complex64,
    "BOOL": torch.bool,
}
"""By safetensors' name: the dtypes of all supported versions of PyTorch."""


class WeightFile:
    """The tensors of a file, read on the CPU.

    Args:
        header: the file's header, read before.
    """

    def __init__(self, header: Header) -> None:
        self.header = header
        self.bytes_read = 0

    @contextmanager
    def opened(self) -> Iterator["OpenWeights"]:
        """Open the file; its tensors can be read within the `with` block.

        Raises:
            StyleExpertError: the file is gone, can no longer be read, or has changed since its header was read.
        """
        try:
            with open_regular(self.header.path) as file:
                self._require_unchanged(file)
                yield OpenWeights(self, file)
                # The file may have been written to in place while its tensors were read.
                self._require_unchanged(file)
        except OSError as error:
            raise StyleExpertError(
                f"{self.header.path.name} can no longer be read ({error.strerror}). Load it again if it was moved."
            ) from error

    def read(self, keys: Iterable[str]) -> dict[str, Tensor]:
        """Some whole tensors in their stored dtypes, by key."""
        with self.opened() as weights:
            return {key: weights.stored(key) for key in keys}

    def _require_unchanged(self, file: FileIO) -> None:
        if state_of(file) != self.header.state:
            raise self.changed()

    def changed(self) -> StyleExpertError:
        """The error for a file that was edited, replaced or cut short after its header was read."""
        return StyleExpertError(f"{self.header.path.name} has changed since it was opened. Load it again.")


class OpenWeights:
    """An open file; see `WeightFile.opened`."""

    def __init__(self, weights: WeightFile, file: FileIO) -> None:
        self._weights, self._file = weights, file

    def whole(self, key: str) -> Tensor:
        """The whole tensor `key` in float32; all its numbers are finite."""
        weight = self.stored(key).to(torch.float32)
        if not is_finite(weight):
            raise self.not_finite(key)
        return weight

    def stored(self, key: str) -> Tensor:
        """The whole tensor `key` in its stored dtype."""
        entry = self._entry(key)
        return self._read(entry, 0, entry.num_bytes).reshape(entry.shape)

    def expert(self, key: str, index: int) -> Tensor:
        """Entry [index] of the tensor `key` in its stored dtype."""
        entry = self._entry(key)
        num_bytes = entry.num_bytes // entry.shape[0]
        return self._read(entry, index * num_bytes, num_bytes).reshape(entry.shape[1:])

    def is_finite(self, key: str) -> bool:
        """Whether no number of the tensor `key` is NaN or infinite. Only a small piece is in memory at once."""
        entry = self._entry(key)
        starts = range(0, entry.num_bytes, CHUNK_BYTES)
        pieces = (self._read(entry, start, min(CHUNK_BYTES, entry.num_bytes - start)) for start in starts)
        return all(bool(piece.to(torch.float32).isfinite().all()) for piece in pieces)

    def not_finite(self, key: str) -> StyleExpertError:
        """The error for a tensor with NaN or infinite numbers."""
        return StyleExpertError(
            f"{self._weights.header.path.name} holds NaN or infinite numbers in {short(key)}: its training failed or "
            "the file is damaged. Use another copy or an earlier checkpoint."
        )

    def _entry(self, key: str) -> TensorEntry:
        return self._weights.header.tensors[key]

    def _read(self, entry: TensorEntry, start: int, num_bytes: int) -> Tensor:
        """`num_bytes` bytes of a tensor from its byte `start`, as a flat tensor of its dtype."""
        content = torch.empty(num_bytes, dtype=torch.uint8)
        self._file.seek(entry.begin + start)
        waiting = content.numpy().data
        while waiting:
            count = self._file.readinto(waiting)
            if not count:
                raise self._weights.changed()
            waiting = waiting[count:]
        self._weights.bytes_read += num_bytes
        return content.view(self._dtype(entry))

    def _dtype(self, entry: TensorEntry) -> torch.dtype:
        if entry.dtype in DTYPES:
            return DTYPES[entry.dtype]
        raise StyleExpertError(
            f"{self._weights.header.path.name} holds tensors in {entry.dtype}, expected weights in 8, 16 or 32 bits. "
            "Use a copy in another precision."
        )


def is_finite(weight: Tensor) -> bool:
    """Whether no number is NaN or infinite. A finite sum proves it in one pass; else each number is checked."""
    weight = weight.to(torch.float32)  # float8 has no sum, and float16's sum overflows early
    return bool(weight.sum().isfinite()) or bool(weight.isfinite().all())
