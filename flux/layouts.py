"""Converts Flux weights between diffusers' `FluxTransformer2DModel` and ComfyUI's Flux, in both directions.

Training needs diffusers' Flux, because ComfyUI's forward pass works in place. Workflows need ComfyUI's Flux.
ComfyUI fuses q, k, v and the single blocks' MLP input into one weight, and names the norms differently. It stores the
two halves of the last modulation in the opposite order (shift, scale).
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import StyleExpertError
from .layer_names import OUTER_LAYERS, SWAPPED_LAYER, all_layers, comfy_target, in_comfy_order

GUIDANCE = "time_text_embed.guidance_embedder."
DOUBLE_NORMS = {
    "attn.norm_q": "img_attn.norm.query_norm",
    "attn.norm_k": "img_attn.norm.key_norm",
    "attn.norm_added_q": "txt_attn.norm.query_norm",
    "attn.norm_added_k": "txt_attn.norm.key_norm",
}
SINGLE_NORMS = {"attn.norm_q": "norm.query_norm", "attn.norm_k": "norm.key_norm"}
# Newer versions of ComfyUI name the norms' scale `weight` in memory; published files still name it `scale`.
NEWER_NORM = re.compile(r"(query_norm|key_norm)\.weight$")


@dataclass(frozen=True)
class Piece:
    """One tensor in diffusers' layout, and its position in ComfyUI's layout.

    Attributes:
        diffusers, comfy: the keys in the two layouts.
        rows: (start, length) in dim 0 of ComfyUI's tensor; None if it is the whole tensor.
        layer: the linear layer's name in diffusers; "" for a norm.
    """

    diffusers: str
    comfy: str
    rows: tuple[int, int] | None = None
    layer: str = ""


def to_comfy(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert a whole state dict of `FluxTransformer2DModel` to ComfyUI's layout (no prefix, norms named `scale`).

    Raises:
        StyleExpertError: keys are missing or unknown; the message names all of them.
    """
    pieces = _pieces(state, "diffusers", "x_embedder", "transformer_blocks", "single_transformer_blocks")
    _require_same_keys(state, [piece.diffusers for piece in pieces], "diffusers")
    fused = defaultdict(list)
    for piece in sorted(pieces, key=lambda piece: piece.rows or (0, 0)):
        fused[piece.comfy].append(in_comfy_order(piece.layer, state[piece.diffusers]))
    return {key: parts[0] if len(parts) == 1 else torch.cat(parts) for key, parts in fused.items()}


def to_diffusers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `to_comfy`. Every tensor is separate: none is a view into a fused tensor.

    Raises:
        StyleExpertError: keys are missing or unknown; the message names all of them.
    """
    state = {NEWER_NORM.sub(r"\1.scale", key): tensor for key, tensor in state.items()}
    pieces = _pieces(state, "ComfyUI", "img_in", "double_blocks", "single_blocks")
    _require_same_keys(state, list({piece.comfy: None for piece in pieces}), "ComfyUI")
    return {piece.diffusers: _taken(state[piece.comfy], piece) for piece in pieces}


def _pieces(state: Mapping[str, Tensor], layout: str, inlet: str, double: str, single: str) -> list[Piece]:
    """All pieces of the Flux in `state`; the sizes come from the tensors."""
    if f"{inlet}.weight" not in state:
        raise StyleExpertError(
            f"The weights hold no {inlet}.weight, so they are no Flux in {layout}'s layout. "
            "Expected the whole transformer, with keys without a prefix."
        )
    hidden = state[f"{inlet}.weight"].shape[0]
    guided = any(key.startswith((GUIDANCE, "guidance_in.")) for key in state)
    return [
        piece
        for piece in _all_pieces(_count(state, double), _count(state, single), hidden, _mlp_ratio(state, hidden))
        if guided or not piece.diffusers.startswith(GUIDANCE)
    ]


def _all_pieces(num_double: int, num_single: int, hidden: int, mlp_ratio: float) -> Iterator[Piece]:
    for layer in (*all_layers(num_double, num_single), *OUTER_LAYERS, SWAPPED_LAYER):
        target = comfy_target(layer, hidden, mlp_ratio)
        for part in ("weight", "bias"):
            yield Piece(f"{layer}.{part}", f"{target.key}.{part}", target.rows, layer)
    for block in range(num_double):
        for name, comfy in DOUBLE_NORMS.items():
            yield Piece(f"transformer_blocks.{block}.{name}.weight", f"double_blocks.{block}.{comfy}.scale")
    for block in range(num_single):
        for name, comfy in SINGLE_NORMS.items():
            yield Piece(f"single_transformer_blocks.{block}.{name}.weight", f"single_blocks.{block}.{comfy}.scale")


def _count(state: Mapping[str, Tensor], blocks: str) -> int:
    """Number of blocks of one kind, from the highest number in the keys."""
    numbers = (key.split(".")[1] for key in state if key.startswith(f"{blocks}."))
    return 1 + max((int(number) for number in numbers if number.isdigit()), default=-1)


def _mlp_ratio(state: Mapping[str, Tensor], hidden: int) -> float:
    """The MLP's width divided by the hidden size; the usual 4 if no MLP weight is there."""
    for key, tensor in state.items():
        if key.endswith(("ff.net.0.proj.weight", "img_mlp.0.weight", "proj_mlp.weight")):
            return tensor.shape[0] / hidden
        if key.endswith("linear2.weight"):  # [hidden, hidden + mlp]
            return tensor.shape[1] / hidden - 1
    return 4.0


def _taken(tensor: Tensor, piece: Piece) -> Tensor:
    if piece.rows is not None:
        return tensor.narrow(0, *piece.rows).clone()
    return in_comfy_order(piece.layer, tensor)


def _require_same_keys(state: Mapping[str, Tensor], expected: list[str], layout: str) -> None:
    missing = [key for key in expected if key not in state]
    foreign = sorted(state.keys() - set(expected))
    if missing or foreign:
        found = [f"{len(missing)} keys are missing ({', '.join(missing)})"] if missing else []
        found += [f"{len(foreign)} keys do not belong to Flux ({', '.join(foreign)})"] if foreign else []
        raise StyleExpertError(
            f"The weights are no whole Flux in {layout}'s layout: {' and '.join(found)}. Convert the whole transformer."
        )
