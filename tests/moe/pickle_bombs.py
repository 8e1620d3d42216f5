"""Small PyTorch files that cost a careless reader gigabytes, or that hold tensors without their numbers."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from .conftest import lora_state

KEY = next(iter(lora_state()))


def saved(weight: object, **options) -> bytes:
    """A LoRA by torch.save with this value in place of one tensor."""
    torch.save(lora_state() | {KEY: weight}, content := io.BytesIO(), **options)
    return content.getvalue()


def deflated(content: bytes) -> bytes:
    """The same archive, compressed."""
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(packed := io.BytesIO(), "w", 8) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return packed.getvalue()


def with_larger_numbers(content: bytes) -> bytes:
    """The archive of a LoRA whose pickle announces far more numbers than the archive stores."""
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(changed := io.BytesIO(), "w") as new:
        for name in old.namelist():
            # The storage of 36 numbers and the shape [4, 9] become 65,316 numbers and [252, 255].
            part = old.read(name)
            if name.endswith("data.pkl"):
                part = part.replace(b"K\x24", b"M\x04\xfb").replace(b"K\x04K\x09\x86", b"K\xfcK\xff\x86")
            new.writestr(name, part)
    return changed.getvalue()


def expanded(numbers: int) -> Tensor:
    """A tensor of many numbers that stores a single one."""
    return torch.zeros(1).expand(numbers // 9, 9)


def quantised() -> Tensor:
    """A tensor of whole numbers with a scale."""
    return torch.quantize_per_tensor(torch.zeros(4, 9), 1.0, 0, torch.qint8)


PICKLE_BOMBS: dict[str, Callable[[], bytes]] = {
    "expanded": lambda: saved(expanded(3 * 10**9)),
    "expanded, legacy": lambda: saved(expanded(3 * 10**9), _use_new_zipfile_serialization=False),
    "sparse": lambda: saved(torch.zeros(4, 9).to_sparse()),
    "sparse rows": lambda: saved(torch.zeros(4, 9).to_sparse_csr()),
    "quantised": lambda: saved(quantised()),
    "meta": lambda: saved(torch.zeros(4, 9, device="meta")),
    "empty": lambda: saved(torch.zeros(0, 9)),
    "integers": lambda: saved(torch.zeros(4, 9, dtype=torch.int64)),
    "complex": lambda: saved(torch.zeros(4, 9, dtype=torch.complex64)),
    "deflated": lambda: deflated(saved(torch.zeros(4, 10**6))),
    "larger than stored": lambda: with_larger_numbers(saved(torch.zeros(4, 9))),
    "cut short": lambda: saved(torch.zeros(4, 900))[:-5_000],
    "cut short, legacy": lambda: saved(torch.zeros(4, 900), _use_new_zipfile_serialization=False)[:-5_000],
    "a list": lambda: saved([1, 2]),
    "no text as key": lambda: saved(torch.zeros(4, 9)).replace(b"X8\0\0\0", b"X8\0\0\1"),
}
"""By name: makes the content of a file that `convert` must refuse with one sentence."""


def write_bombs(folder: Path) -> None:
    """Write every file to `folder`, without a suffix that names its kind."""
    for number, make in enumerate(PICKLE_BOMBS.values()):
        (folder / f"{number}.pkl").write_bytes(make())
