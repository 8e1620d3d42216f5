"""One call of the transformer: an attention override that sees q and k of every block, and takes the maps of spans."""

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
"""ComfyUI's attention functions that torch's flash kernel may stand in for: it computes the same. Sage and others are
kept, as they round more coarsely, and the maps come from a call of their own."""
EXACT_UNLESS_UPCAST = ("attention_sub_quad", "attention_split", "attention_basic")
"""As EXACT, but where ComfyUI wants more precision of attention than its inputs have, these heed it."""


@dataclass
class AttentionOverride:
    """One call of the transformer.

    Attributes:
        step: number of the sampler's step, from 0.
        rows: the spans of each row of the batch: none where it is not captured.
        images: rows of one conditioning.
        text: how many text tokens stand before the image's.
        cells: (h, w) of the image's tokens; references come behind them.
        blocks: those that are captured.
        previous: another node's attention override, which is kept.
        taken: maps [rows, S, h * w] of the blocks so far.
        columns: of the spans, made once for all blocks: a graphics card is waited for whenever it is sent something.
    """

    step: int
    rows: list[tuple[RegionSpan, ...]]
    images: int
    text: int
    cells: tuple[int, int]
    blocks: Collection[Block]
    previous: Callable | None
    taken: list[tuple[Block, Tensor]] = field(default_factory=list)
    columns: Columns | None = None

    def attend(self, func: Callable, q: Tensor, k: Tensor, v: Tensor, heads: int, *args, **kwargs) -> Tensor:
        """The override: attention as `func` (or the previous override) gives it, and maps; q, k, v [B, H, N, D]."""
        options = kwargs.get("transformer_options") or {}
        block = options.get("block_type"), options.get("block_index")
        if block not in self.blocks or not self._is_joint(q, k, kwargs) or args:
            return self._onward(func, q, k, v, heads, *args, **kwargs)
        rows = slice(self.text, self.text + self.cells[0] * self.cells[1])
        asked = {"mask": _mask_with_heads(kwargs.get("mask")), "scale": kwargs.get("scale")}
        asked |= {"spans": self._columns_on(q.device), "rows": rows}
        if self.previous is None and _is_exact(func, q, kwargs) and (both := attend_at_once(q, k, v, **asked)):
            output, maps = both
            output = output if kwargs.get("skip_output_reshape") else output.transpose(1, 2).flatten(2)
        else:
            maps = span_attention(q, k, **asked)
            output = self._onward(func, q, k, v, heads, **kwargs)
        self.taken.append((block, maps))
        return output

    def hand_over(self, maps: RecordedMaps) -> None:
        """Brings all maps to the CPU at once, so that the graphics card is waited for once a step."""
        if not self.taken:
            return
        values = torch.stack([block_maps for _, block_maps in self.taken]).cpu()  # [L, rows, S, h * w]
        values = values.unflatten(-1, self.cells)
        for (block, _), of_block in zip(self.taken, values, strict=True):
            for row, spans in enumerate(self.rows):
                for place, span in enumerate(spans):
                    maps.add(row % self.images, span, self.step, " ".join(map(str, block)), of_block[row, place])

    def _columns_on(self, device: torch.device) -> Columns:
        if self.columns is None:
            spans = [[span.tokens for span in row] for row in self.rows]
            self.columns = Columns.of(spans, len(self.rows), self.text, device)
        return self.columns

    def _onward(self, func: Callable, *args, **kwargs) -> Tensor:
        return func(*args, **kwargs) if self.previous is None else self.previous(func, *args, **kwargs)

    def _is_joint(self, q: Tensor, k: Tensor, kwargs: Mapping[str, Any]) -> bool:
        """Whether this is the block's own attention over text and image, not one that another pack adds."""
        heads_first = q.ndim == k.ndim == 4 and kwargs.get("skip_reshape", False)
        tokens = self.text + self.cells[0] * self.cells[1]
        return heads_first and len(q) == len(self.rows) and q.shape == k.shape and q.shape[2] >= tokens


def _is_exact(func: Callable, q: Tensor, kwargs: Mapping[str, Any]) -> bool:
    """Whether `func` computes what torch's flash kernel does, and as precisely."""
    name = getattr(func, "__name__", "")
    if name in EXACT_UNLESS_UPCAST:
        return get_attn_precision(kwargs.get("attn_precision"), q.dtype) in (None, q.dtype)
    return name in EXACT


def _mask_with_heads(mask: Tensor | None) -> Tensor | None:
    """ComfyUI's masks [N, N] or [B, N, N] as [B, 1, N, N]."""
    if mask is None or mask.ndim == 4:
        return mask
    return mask[None, None] if mask.ndim == 2 else mask[:, None]
