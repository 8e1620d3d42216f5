"""Reads tensors, or single experts from tensors, from a safetensors file, and counts the bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..errors import StyleExpertError
from .header import Header


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
            StyleExpertError: the file is gone, or can no longer be read.
        """
        try:
            with safe_open(str(self.header.path), framework="pt") as tensors:
                yield OpenWeights(self, tensors)
        except (OSError, SafetensorError) as error:
            raise StyleExpertError(
                f"{self.header.path.name} can no longer be read ({error}). Load it again if it was moved."
            ) from error


class OpenWeights:
    """An open file; see `WeightFile.opened`."""

    def __init__(self, file: WeightFile, tensors: Any) -> None:
        self._file, self._tensors = file, tensors

    def whole(self, key: str) -> Tensor:
        """The whole tensor `key` as a float32 copy; all its numbers are finite."""
        # A float32 tensor is copied, too: a view would keep the file mapped, and change with the file.
        part = self._slice(key)
        stored = part[:] if part.get_shape() else self._tensors.get_tensor(key)  # a single number has no slice
        weight = self._count(stored).to(torch.float32, copy=True)
        if not is_finite(weight):
            raise self.not_finite(key)
        return weight

    def expert(self, key: str, index: int) -> Tensor:
        """Entry [index] of the tensor `key` in its stored dtype; a view of the file that the caller must copy."""
        return self._count(self._slice(key)[index : index + 1][0])

    def not_finite(self, key: str) -> StyleExpertError:
        """The error for a tensor with NaN or infinite numbers."""
        return StyleExpertError(
            f"{self._file.header.path.name} holds NaN or infinite numbers in {key}: its training failed or the "
            "file is damaged. Use another copy or an earlier checkpoint."
        )

    def _slice(self, key: str) -> Any:
        part = self._tensors.get_slice(key)
        if tuple(part.get_shape()) != self._file.header.tensors[key].shape:
            raise StyleExpertError(
                f"{self._file.header.path.name} has changed since it was opened: {key} has another shape. "
                "Load it again."
            )
        return part

    def _count(self, stored: Tensor) -> Tensor:
        self._file.bytes_read += stored.nbytes
        return stored


def is_finite(weight: Tensor) -> bool:
    """Whether no number is NaN or infinite. A finite sum proves it in one pass; else each number is checked."""
    weight = weight.to(torch.float32)  # float8 has no sum, and float16's sum overflows early
    return bool(weight.sum().isfinite()) or bool(weight.isfinite().all())
