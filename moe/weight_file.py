"""Reading tensors, or single experts of them, from a safetensors file, and counting the bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..errors import StyleExpertError
from .header import Header


class WeightFile:
    """The tensors of a file whose header is known, read on the CPU.

    Args:
        header: of the file.
    """

    def __init__(self, header: Header) -> None:
        self.header = header
        self.bytes_read = 0

    @contextmanager
    def opened(self) -> Iterator["OpenWeights"]:
        """The file's tensors, to be read within the `with` block.

        Raises:
            StyleExpertError: the file is gone, or cannot be read any more.
        """
        try:
            with safe_open(str(self.header.path), framework="pt") as tensors:
                yield OpenWeights(self, tensors)
        except (OSError, SafetensorError) as error:
            raise StyleExpertError(
                f"{self.header.path.name} could not be read any more ({error}); was it moved? Load it again."
            ) from error


class OpenWeights:
    """An open file; see `WeightFile.opened`."""

    def __init__(self, file: WeightFile, tensors: Any) -> None:
        self._file, self._tensors = file, tensors

    def whole(self, key: str) -> Tensor:
        """All of the tensor `key`: a float32 copy, checked to be finite."""
        # A copy even where it is float32 already: a view would keep the file mapped, and change with it.
        weight = self._count(self._slice(key)[:]).to(torch.float32, copy=True)
        if not is_finite(weight):
            raise self.not_finite(key)
        return weight

    def expert(self, key: str, index: int) -> Tensor:
        """[index] of the tensor `key` as it is stored, nothing else of it read; a view of the file, to be copied."""
        return self._count(self._slice(key)[index : index + 1][0])

    def not_finite(self, key: str) -> StyleExpertError:
        """The refusal of a tensor that holds NaN or infinite numbers."""
        return StyleExpertError(
            f"{self._file.header.path.name} holds NaN or infinite numbers in {key}: its training has failed or the "
            "file is damaged; take another copy or an earlier checkpoint."
        )

    def _slice(self, key: str) -> Any:
        part = self._tensors.get_slice(key)
        if tuple(part.get_shape()) != self._file.header.tensors[key].shape:
            raise StyleExpertError(
                f"{self._file.header.path.name} has changed since it was opened: {key} has another shape; "
                "load it again."
            )
        return part

    def _count(self, stored: Tensor) -> Tensor:
        self._file.bytes_read += stored.nbytes
        return stored


def is_finite(weight: Tensor) -> bool:
    """Whether no number is NaN or infinite. A finite sum proves it in one pass; the exact look is for the rest."""
    return bool(weight.sum().isfinite()) or bool(weight.isfinite().all())
