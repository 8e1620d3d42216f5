"""An attention override for one call of the transformer. It reads q and k of every block and computes the maps."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from comfy.ldm.modules.attention import get_attn_precision
from torch import Tensor

from ...attention import Columns, attend_at_once, span_attention
from ...attention.selection import Block
from .recorded_maps import RecordedMaps
from .region_spans import RegionSpan

EXACT = ("attention_pytorch", "attention_xformers", "attention_flash")
"""ComfyUI's attention functions that torch's flash kernel can replace, because both compute the same. Other functions
(Sage) round more coarsely. They are not replaced, and a separate call computes the maps."""
EXACT_UNLESS_UPCAST = ("attention_sub_quad", "attention_split", "attention_basic")
"""Like EXACT, but not replaced if ComfyUI asks for a higher precision than that of the inputs."""


@dataclass
class AttentionOverride:
    """The override for one call of the transformer, and the maps that it has captured.

    Attributes:
        step: the sampler's step, from 0.
        rows: the spans of each row of the batch; empty for a row that is not captured.
        images: number of images per conditioning.
        text: number of text tokens, which stand before the image tokens.
        cells: (h, w) of the image tokens; the tokens of reference images follow them.
        blocks: the blocks to capture.
        previous: another node's attention override, which stays in use; None if there is none.
        captured: maps [rows, S, h * w] of the blocks so far.
        columns: key positions of the spans, built once for all blocks, because each upload waits for the graphics card.
    """

    step: int
    rows: list[tuple[RegionSpan, ...]]
    images: int
    text: int
    cells: tuple[int, int]
    blocks: Collection[Block]
    previous: Callable | None
    captured: list[tuple[Block, Tensor]] = field(default_factory=list)
    columns: Columns | None = None

    def attend(self, func: Callable, q: Tensor, k: Tensor, v: Tensor, heads: int, *args, **kwargs) -> Tensor:
        """Returns the attention of `func` (or of the previous override) and captures maps; q, k, v [B, H, N, D]."""
        block = _block_of(kwargs.get("transformer_options") or {})
        if block is None or block not in self.blocks or not self._is_joint(q, k, kwargs) or args:
            return self._call_original(func, q, k, v, heads, *args, **kwargs)
        request = self._map_request(q.device, kwargs)
        if self.previous is None and _is_exact(func, q, kwargs) and (both := attend_at_once(q, k, v, **request)):
            output, maps = both
            output = output if kwargs.get("skip_output_reshape") else output.transpose(1, 2).flatten(2)
        else:
            maps = span_attention(q, k, **request)
            output = self._call_original(func, q, k, v, heads, **kwargs)
        self.captured.append((block, maps))
        return output

    def store_maps(self, maps: RecordedMaps) -> None:
        """Adds the captured maps to `maps`. One transfer to the CPU per call, as each waits for the graphics card."""
        if not self.captured:
            return
        values = torch.stack([block_maps for _, block_maps in self.captured]).cpu()  # [L, rows, S, h * w]
        values = values.unflatten(-1, self.cells)  # [L, rows, S, h, w]
        for (block, _), block_values in zip(self.captured, values, strict=True):
            for row, spans in enumerate(self.rows):
                for index, span in enumerate(spans):
                    maps.add(row % self.images, span, self.step, block.name, block_values[row, index])

    def _map_request(self, device: torch.device, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of `span_attention` besides q and k: image rows only, with ComfyUI's mask and scale."""
        if self.columns is None:
            spans = [[span.tokens for span in row] for row in self.rows]
            self.columns = Columns.of(spans, len(self.rows), self.text, device)
        rows = slice(self.text, self.text + self.cells[0] * self.cells[1])
        mask, scale = _mask_with_heads(kwargs.get("mask")), kwargs.get("scale")
        return {"spans": self.columns, "rows": rows, "mask": mask, "scale": scale}

    def _call_original(self, func: Callable, *args, **kwargs) -> Tensor:
        return func(*args, **kwargs) if self.previous is None else self.previous(func, *args, **kwargs)

    def _is_joint(self, q: Tensor, k: Tensor, kwargs: Mapping[str, Any]) -> bool:
        """Whether this is the block's own attention over text and image tokens, and not one that another pack adds."""
        heads_first = q.ndim == k.ndim == 4 and kwargs.get("skip_reshape", False)
        tokens = self.text + self.cells[0] * self.cells[1]
        return heads_first and len(q) == len(self.rows) and q.shape == k.shape and q.shape[2] >= tokens


def _block_of(options: Mapping[str, Any]) -> Block | None:
    """The block that calls, from ComfyUI's `transformer_options`; None if they do not name it."""
    kind, index = options.get("block_type"), options.get("block_index")
    return None if kind is None or index is None else Block(kind, index)


def _is_exact(func: Callable, q: Tensor, kwargs: Mapping[str, Any]) -> bool:
    """Whether `func` computes the same as torch's flash kernel, at the same precision."""
    name = getattr(func, "__name__", "")
    if name in EXACT_UNLESS_UPCAST:
        return get_attn_precision(kwargs.get("attn_precision"), q.dtype) in (None, q.dtype)
    return name in EXACT


def _mask_with_heads(mask: Tensor | None) -> Tensor | None:
    """ComfyUI's masks [N, N] or [B, N, N] as [B, 1, N, N]."""
    if mask is None or mask.ndim == 4:
        return mask
    return mask[None, None] if mask.ndim == 2 else mask[:, None]
