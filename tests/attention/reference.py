"""The formulas in float64 with the full matrix, and a watch that records the sizes of tensors."""

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def full_matrix(q: Tensor, k: Tensor, mask: Tensor | None = None, scale: float | None = None) -> Tensor:
    """softmax(scale q k^T + mask), [B, H, N, N] float64; rows with every key masked are 0."""
    scores = q.double() @ k.double().transpose(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask.double()
    matrix = scores.softmax(dim=-1)
    return torch.where(scores.isneginf().all(dim=-1, keepdim=True), 0.0, matrix)


def maps_of(matrix: Tensor, spans: list[list[list[int]]], rows: slice) -> Tensor:
    """M[b, s] = mean over heads and the span's tokens of A[b, :, rows, tokens]; spans of each sample."""
    most = max(len(sample) for sample in spans)
    maps = torch.zeros(len(matrix), most, matrix[:, :, rows].shape[2], dtype=matrix.dtype)
    for number, sample in enumerate(spans):
        for place, span in enumerate(sample):
            maps[number, place] = matrix[number, :, rows][..., span].mean(dim=(0, -1))
    return maps


class Watch(TorchDispatchMode):
    """Records every computed tensor, in backward passes too.

    Attributes:
        largest: how many numbers the largest tensor holds that any operation gave.
        attention: names of torch's attention kernels, in the order of their calls.
    """

    def __init__(self) -> None:
        super().__init__()
        self.largest, self.attention = 0, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if "scaled_dot_product" in func.__name__:
            self.attention.append(func.__name__)
        held = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        self.largest = max([self.largest, *(leaf.untyped_storage().nbytes() // leaf.element_size() for leaf in held)])
        return result
