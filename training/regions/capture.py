"""Attention maps of a forward pass of diffusers' FLUX, captured by attention processors that replace its own."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers import FluxTransformer2DModel
from diffusers.models.embeddings import apply_rotary_emb
from torch import Tensor, nn
from torch.nn import functional

from ...attention import attend_with_maps
from ...attention.selection import all_blocks, parse_blocks
from ...errors import TrainingError

BatchSpans = Sequence[Sequence[Sequence[int]]]
"""Token positions of each span of each example of a batch."""


@dataclass
class MapCapture:
    """Collects the maps of the chosen blocks' processors, which compute maps only while spans are set.

    Attributes:
        blocks: names of the chosen blocks, such as "double 3".
        slice: keys of the softmax, the argument `normalise` of `span_attention`.
    """

    blocks: tuple[str, ...]
    slice: str = "all"

    def __post_init__(self) -> None:
        self.spans: BatchSpans | None = None
        self.rows = slice(0)
        self._maps: dict[str, Tensor] = {}
        self._open = False

    def expect(self, spans: BatchSpans, rows: slice) -> None:
        """Capture maps [B, S, len(rows)] of the queries at ``rows`` in the next forward pass.

        Maps are also computed in the backward pass, because checkpointing re-runs the block.
        """
        self.spans, self.rows, self._maps, self._open = spans, rows, {}, True

    def rest(self) -> None:
        """Compute no maps until the next `expect`."""
        self.spans, self._maps, self._open = None, {}, False

    def keep(self, block: str, maps: Tensor) -> None:
        """Store the maps of a block; its processor calls this."""
        if self._open:
            self._maps[block] = maps

    def take(self) -> dict[str, Tensor]:
        """Return the maps [B, S, R] by block, and clear them.

        Raises:
            TrainingError: a block has no map.
        """
        maps, self._maps, self._open = self._maps, {}, False
        if missing := [block for block in self.blocks if block not in maps]:
            raise TrainingError(
                f"no attention map was captured of {', '.join(missing)}, so the attention losses have no input. "
                "Do not replace the transformer's attention processors, or give --without attention"
            )
        return maps


class CapturingProcessor:
    """Joint attention of a FLUX block, as in diffusers' own processor, which also captures the maps of the spans."""

    def __init__(self, capture: MapCapture, block: str) -> None:
        self.capture, self.block = capture, block

    def __call__(
        self,
        attn: nn.Module,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        image_rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Attention output for image states [B, I, C] (in a single block all states) and text states [B, T, C]."""
        q, k, v = _joint(attn, hidden_states, encoder_hidden_states, image_rotary_emb)
        states = self._attend(q, k, v, attention_mask).transpose(1, 2).flatten(2)  # [B, N, C]
        if encoder_hidden_states is None:
            return states
        text, image = states.split_with_sizes([encoder_hidden_states.shape[1], hidden_states.shape[1]], dim=1)
        return attn.to_out[1](attn.to_out[0](image.contiguous())), attn.to_add_out(text.contiguous())

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        capture = self.capture
        if capture.spans is None:
            return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        states, maps = attend_with_maps(q, k, v, capture.spans, capture.rows, mask=mask, normalise=capture.slice)
        capture.keep(self.block, maps)
        return states


def _joint(
    attn: nn.Module, image: Tensor, text: Tensor | None, rotary: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values [B, H, N, D], text before image, after norms and rotary embedding."""
    q, k, v = (_heads(layer(image), attn) for layer in (attn.to_q, attn.to_k, attn.to_v))
    q, k = attn.norm_q(q), attn.norm_k(k)
    if text is not None:
        text_q, text_k, text_v = (
            _heads(layer(text), attn) for layer in (attn.add_q_proj, attn.add_k_proj, attn.add_v_proj)
        )
        parts = (attn.norm_added_q(text_q), q), (attn.norm_added_k(text_k), k), (text_v, v)
        q, k, v = (torch.cat(part, dim=1) for part in parts)
    if rotary is not None:
        q, k = (apply_rotary_emb(part, rotary, sequence_dim=1) for part in (q, k))
    # Under autocast the norms return float32, but a flash kernel needs one dtype for q, k and v.
    return tuple(part.to(v.dtype).transpose(1, 2) for part in (q, k, v))  # type: ignore[return-value]


def _heads(states: Tensor, attn: nn.Module) -> Tensor:
    """[B, N, H * D] -> [B, N, H, D]."""
    return states.unflatten(-1, (attn.heads, -1))


def capture_maps(transformer: FluxTransformer2DModel, blocks: str, normalise: str = "all") -> MapCapture:
    """Set capturing processors in the chosen blocks. They do not change the output.

    Args:
        transformer: the base model.
        blocks: blocks in the grammar of `parse_blocks`.
        normalise: keys of the softmax, as in `span_attention`.

    Raises:
        AttentionError: the transformer has no such block.
    """
    chosen = parse_blocks(blocks, _counts(transformer))
    modules = block_modules(transformer)
    capture = MapCapture(tuple(block.name for block in chosen), normalise)
    for name in capture.blocks:
        modules[name].attn.set_processor(CapturingProcessor(capture, name))
    return capture


def block_modules(transformer: FluxTransformer2DModel) -> dict[str, nn.Module]:
    """The blocks by name, in the order of the network: "double 0" to "single 37" in FLUX."""
    modules = (*transformer.transformer_blocks, *transformer.single_transformer_blocks)
    return {block.name: module for block, module in zip(all_blocks(_counts(transformer)), modules, strict=True)}


def _counts(transformer: FluxTransformer2DModel) -> dict[str, int]:
    return {"double": len(transformer.transformer_blocks), "single": len(transformer.single_transformer_blocks)}
