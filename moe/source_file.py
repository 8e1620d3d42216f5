"""A file to convert: its header and tensors, in safetensors' or PyTorch's format. Its content decides, not its name."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ..errors import StyleExpertError
from ..files import open_regular, state_of
from .header import Header, TensorEntry, read_header
from .pickle_file import checked_copies, is_pickle, read_pickle
from .weight_file import DTYPES, WeightFile

_DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class SourceFile:
    """An opened file.

    Attributes:
        header: its header; for a PyTorch file one without metadata, made from the tensors.
        read: reads tensors by their keys, in their stored dtypes.
    """

    header: Header
    read: Callable[[Iterable[str]], dict[str, Tensor]]

    @property
    def path(self) -> Path:
        """The file."""
        return self.header.path


def open_source(path: Path) -> SourceFile:
    """Open a file by its content, without reading its tensors.

    Raises:
        StyleExpertError: the file does not exist, is damaged, or is neither a safetensors nor a PyTorch file.
    """
    try:
        with open_regular(path) as file:
            state, start = state_of(file), file.read(8)
    except OSError as error:
        raise StyleExpertError(
            f"{path.name} cannot be read ({error.strerror}: {path}). Check the file's name and folder."
        ) from error
    if not is_pickle(start, size := state[-1]):
        weights = WeightFile(read_header(path))
        return SourceFile(weights.header, weights.read)
    tensors = read_pickle(path, size)
    header = Header(path, {}, {key: _entry(weight) for key, weight in tensors.items()}, state)
    return SourceFile(header, lambda keys: checked_copies(path, tensors, keys, size))


def shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor, by key."""
    return {name: tuple(weight.shape) for name, weight in state.items()}


def _entry(weight: Tensor) -> TensorEntry:
    """The header entry of an unpickled tensor. Its position is unknown."""
    num_bytes = weight.numel() * weight.element_size()
    return TensorEntry(_DTYPE_NAMES.get(weight.dtype, str(weight.dtype)), tuple(weight.shape), 0, num_bytes)
