"""Names of Flux's linear layers in diffusers and in ComfyUI, which fuses some of the layers into one weight."""

import re
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import StyleExpertError
from ..plain_text import quoted


class ComfyTarget(NamedTuple):
    """The weight, and its rows, that hold a diffusers layer in ComfyUI's Flux.

    Attributes:
        key: module name, without "diffusion_model." and ".weight", such as "double_blocks.0.img_attn.qkv".
        rows: (start, length) in dim 0 of the weight; None if the layer is the whole weight.
    """

    key: str
    rows: tuple[int, int] | None


class _Size(NamedTuple):
    """A size: hidden * hidden_size + mlp * mlp_size."""

    hidden: int
    mlp: int = 0

    def of(self, hidden_size: int, mlp_ratio: float) -> int:
        return self.hidden * hidden_size + self.mlp * int(hidden_size * mlp_ratio)


class _Linear(NamedTuple):
    comfy: str
    out: _Size
    inp: _Size
    start: _Size | None = None  # first row within a fused weight


_0, _1, _2, _3, _6 = (_Size(multiple) for multiple in (0, 1, 2, 3, 6))
_MLP, _1_MLP = _Size(0, 1), _Size(1, 1)

_DOUBLE = {
    "norm1.linear": _Linear("img_mod.lin", _6, _1),
    "norm1_context.linear": _Linear("txt_mod.lin", _6, _1),
    "attn.to_q": _Linear("img_attn.qkv", _1, _1, _0),
    "attn.to_k": _Linear("img_attn.qkv", _1, _1, _1),
    "attn.to_v": _Linear("img_attn.qkv", _1, _1, _2),
    "attn.to_out.0": _Linear("img_attn.proj", _1, _1),
    "attn.add_q_proj": _Linear("txt_attn.qkv", _1, _1, _0),
    "attn.add_k_proj": _Linear("txt_attn.qkv", _1, _1, _1),
    "attn.add_v_proj": _Linear("txt_attn.qkv", _1, _1, _2),
    "attn.to_add_out": _Linear("txt_attn.proj", _1, _1),
    "ff.net.0.proj": _Linear("img_mlp.0", _MLP, _1),
    "ff.net.2": _Linear("img_mlp.2", _1, _MLP),
    "ff_context.net.0.proj": _Linear("txt_mlp.0", _MLP, _1),
    "ff_context.net.2": _Linear("txt_mlp.2", _1, _MLP),
}
_SINGLE = {
    "norm.linear": _Linear("modulation.lin", _3, _1),
    "attn.to_q": _Linear("linear1", _1, _1, _0),
    "attn.to_k": _Linear("linear1", _1, _1, _1),
    "attn.to_v": _Linear("linear1", _1, _1, _2),
    "proj_mlp": _Linear("linear1", _MLP, _1, _3),
    "proj_out": _Linear("linear2", _1, _1_MLP),
}
_BLOCKS = {
    "transformer_blocks": ("double_blocks", _DOUBLE),
    "single_transformer_blocks": ("single_blocks", _SINGLE),
}
_OUTER = {
    "x_embedder": "img_in",
    "context_embedder": "txt_in",
    "time_text_embed.timestep_embedder.linear_1": "time_in.in_layer",
    "time_text_embed.timestep_embedder.linear_2": "time_in.out_layer",
    "time_text_embed.text_embedder.linear_1": "vector_in.in_layer",
    "time_text_embed.text_embedder.linear_2": "vector_in.out_layer",
    "time_text_embed.guidance_embedder.linear_1": "guidance_in.in_layer",
    "time_text_embed.guidance_embedder.linear_2": "guidance_in.out_layer",
    "proj_out": "final_layer.linear",
    "norm_out.linear": "final_layer.adaLN_modulation.1",
}
SWAPPED_LAYER = "norm_out.linear"
"""The layer whose two halves of rows stand in the opposite order in ComfyUI: shift and scale, not scale and shift."""
OUTER_LAYERS = tuple(layer for layer in _OUTER if layer != SWAPPED_LAYER)
"""The linear layers outside the blocks that are one whole weight, with the same rows, in both layouts."""
_FLUX2_LAYER = re.compile(
    r"(time_guidance_embed|(double|single)_stream_modulation).*"
    r"|transformer_blocks\.\d+\.ff(_context)?\.linear_(in|out)"
    r"|single_transformer_blocks\.\d+\.attn\.(to_qkv_mlp_proj|to_out)"
)
"""Names of linear layers in diffusers that only FLUX.2 has."""

_LAYER = r"(transformer_blocks|single_transformer_blocks)\.(0|[1-9]\d{0,3})\.(.+)"
_KEY = r"(double_blocks|single_blocks)\.(0|[1-9]\d{0,3})\.(.+)"


def all_layers(num_double: int, num_single: int) -> tuple[str, ...]:
    """Diffusers names of all linear layers in the blocks of a Flux, in the order of the blocks."""
    double = [f"transformer_blocks.{block}.{end}" for block in range(num_double) for end in _DOUBLE]
    single = [f"single_transformer_blocks.{block}.{end}" for block in range(num_single) for end in _SINGLE]
    return (*double, *single)


def is_flux_layer(layer: str) -> bool:
    """Whether FLUX.1 has a linear layer of this name in diffusers, with any number of blocks."""
    return layer in _OUTER or _found(layer) is not None


def is_flux2_layer(layer: str) -> bool:
    """Whether only FLUX.2 has a linear layer of this name in diffusers."""
    return _FLUX2_LAYER.fullmatch(layer) is not None


def block_of(layer: str) -> tuple[str, int] | None:
    """The block of a diffusers layer, ("double" or "single", index); None for a layer outside the blocks."""
    match = re.fullmatch(_LAYER, layer)
    return match and ("single" if match[1].startswith("single") else "double", int(match[2]))


def is_attention(layer: str) -> bool:
    """Whether a diffusers layer belongs to the attention of a block. The last layer of a single block counts."""
    return block_of(layer) is not None and (".attn." in layer or layer.endswith(".proj_out"))


def is_feed_forward(layer: str) -> bool:
    """Whether a diffusers layer is in the feed-forward part of a block. The last layer of a single block counts."""
    ends = (".proj_mlp", ".proj_out")
    return block_of(layer) is not None and (".ff." in layer or ".ff_context." in layer or layer.endswith(ends))


def in_comfy_order(layer: str, rows: Tensor) -> Tensor:
    """The rows (dim 0) of a diffusers layer's weight, bias or LoRA `up`, in the order of ComfyUI's weight.

    It is its own inverse: only two halves change places, in one layer.
    """
    if layer != SWAPPED_LAYER:
        return rows
    first, second = rows.chunk(2)
    return torch.cat([second, first])


def comfy_target(layer: str, hidden_size: int, mlp_ratio: float = 4.0) -> ComfyTarget:
    """The weight, and its rows, that hold the diffusers layer `layer` in a ComfyUI Flux of this hidden size.

    `in_comfy_order` gives the order of the rows.

    Raises:
        StyleExpertError: Flux has no such linear layer.
    """
    if layer in _OUTER:
        return ComfyTarget(_OUTER[layer], None)
    blocks, block, linear = _parse(layer)
    key = f"{_BLOCKS[blocks][0]}.{block}.{linear.comfy}"
    if linear.start is None:
        return ComfyTarget(key, None)
    return ComfyTarget(key, (linear.start.of(hidden_size, mlp_ratio), linear.out.of(hidden_size, mlp_ratio)))


def diffusers_layer(key: str, rows: tuple[int, int] | None, hidden_size: int, mlp_ratio: float = 4.0) -> str:
    """The diffusers layer at `rows` of ComfyUI's weight `key`: the inverse of `comfy_target`.

    Raises:
        StyleExpertError: no diffusers layer has exactly these rows.
    """
    for candidate in _layers_of(key):
        if comfy_target(candidate, hidden_size, mlp_ratio) == (key, rows):
            return candidate
    where = "as a whole" if rows is None else f"at rows {rows[0]} to {sum(rows)}"
    raise StyleExpertError(
        f"Found the weight {quoted(key)} {where} at hidden size {hidden_size}, which no layer of diffusers' Flux "
        "matches. Expected a whole weight of FLUX.1, or exactly the rows of q, k, v or the MLP."
    )


def layer_shape(layer: str, hidden_size: int, mlp_ratio: float = 4.0) -> tuple[int, int]:
    """(out, in) of a layer in the blocks of a Flux of this hidden size."""
    linear = _parse(layer)[2]
    return linear.out.of(hidden_size, mlp_ratio), linear.inp.of(hidden_size, mlp_ratio)


def layer_order(layer: str) -> tuple[int, int, int]:
    """Sort key: outer layers, then double blocks, then single blocks; each block in the order of diffusers.

    Raises:
        StyleExpertError: Flux has no such linear layer.
    """
    if layer in _OUTER:
        return 0, 0, list(_OUTER).index(layer)
    blocks, block, linear = _parse(layer)
    names = list(_BLOCKS)
    return 1 + names.index(blocks), block, list(_BLOCKS[blocks][1].values()).index(linear)


def _parse(layer: str) -> tuple[str, int, _Linear]:
    if found := _found(layer):
        return found
    raise StyleExpertError(
        f"{quoted(layer)} is no linear layer of FLUX.1 in diffusers' names, such as transformer_blocks.0.attn.to_q. "
        "Choose a file that was trained for FLUX.1 Kontext."
    )


def _found(layer: str) -> tuple[str, int, _Linear] | None:
    """(name of the blocks, number of the block, linear layer) of a layer in a block; None for any other name."""
    match = re.fullmatch(_LAYER, layer)
    if match and (linear := _BLOCKS[match[1]][1].get(match[3])):
        return match[1], int(match[2]), linear
    return None


def _layers_of(key: str) -> list[str]:
    """All diffusers layers that ComfyUI's weight `key` holds."""
    match = re.fullmatch(_KEY, key)
    if not match:
        return [layer for layer, comfy in _OUTER.items() if comfy == key]
    for name, (comfy_name, linears) in _BLOCKS.items():
        if comfy_name == match[1]:
            return [f"{name}.{match[2]}.{end}" for end, linear in linears.items() if linear.comfy == match[3]]
    return []
