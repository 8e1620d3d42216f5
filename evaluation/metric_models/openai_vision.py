"""Converts a vision tower in the layout of OpenAI's CLIP to transformers' `CLIPVisionModel`."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...errors import DataError
from .reading import load_state

if TYPE_CHECKING:
    from transformers import CLIPVisionConfig, CLIPVisionModel

HEAD_WIDTH = 64
"""Width of an attention head in all of OpenAI's vision transformers."""
_OUTER = {
    "conv1.weight": "embeddings.patch_embedding.weight",
    "class_embedding": "embeddings.class_embedding",
    "positional_embedding": "embeddings.position_embedding.weight",
    "ln_pre.weight": "pre_layrnorm.weight",
    "ln_pre.bias": "pre_layrnorm.bias",
    "ln_post.weight": "post_layernorm.weight",
    "ln_post.bias": "post_layernorm.bias",
}
_INNER = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_BLOCK = re.compile(r"transformer\.resblocks\.(\d+)\.(.+)")


def vision_tower(state: Mapping[str, Tensor], file: Path, title: str) -> "CLIPVisionModel":
    """The vision tower with the weights of OpenAI's layout. Its sizes come from the weights' shapes.

    Args:
        state: the tower's state dict, such as "conv1.weight".
        file: the file that it comes from, for errors.
        title: the model's name, for errors.

    Raises:
        DataError: weights are missing or do not fit.
    """
    from transformers import CLIPVisionModel

    try:
        model = CLIPVisionModel(_config(state))
    except (KeyError, IndexError, ValueError, ZeroDivisionError) as error:
        raise DataError(
            f"The weights in {file} do not fit {title} ({error} is missing or wrong). Expected a vision transformer in "
            "the layout of OpenAI's CLIP: download the published file again."
        ) from error
    # Some versions of transformers put the tower's weights under this name.
    start = "vision_model." if next(iter(model.state_dict())).startswith("vision_model.") else ""
    load_state(model, {start + key: value for key, value in _renamed(state).items()}, file, title)
    return model.eval()


def image_side(state: Mapping[str, Tensor]) -> int:
    """Height and width in pixels of the images that the tower reads."""
    cells = state["positional_embedding"].shape[0] - 1
    return round(cells**0.5) * state["conv1.weight"].shape[-1]


def _config(state: Mapping[str, Tensor]) -> "CLIPVisionConfig":
    from transformers import CLIPVisionConfig

    width, _, _, patch = state["conv1.weight"].shape
    blocks = {match[1] for key in state if (match := _BLOCK.fullmatch(key))}
    return CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=state["transformer.resblocks.0.mlp.c_fc.weight"].shape[0],
        num_hidden_layers=len(blocks),
        num_attention_heads=width // HEAD_WIDTH,
        image_size=image_side(state),
        patch_size=patch,
        hidden_act="quick_gelu",
    )


def _renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    renamed = {}
    for key, value in state.items():
        if match := _BLOCK.fullmatch(key):
            renamed.update(_renamed_in_block(f"encoder.layers.{match[1]}.", match[2], value.float()))
        else:
            renamed[_OUTER.get(key, key)] = value.float()
    return renamed


def _renamed_in_block(block: str, name: str, value: Tensor) -> dict[str, Tensor]:
    """One weight of a block. OpenAI stores query, key and value in one tensor."""
    layer, _, part = name.rpartition(".")
    if layer == "attn" and part in ("in_proj_weight", "in_proj_bias"):
        kind = part.removeprefix("in_proj_")
        return {f"{block}self_attn.{one}_proj.{kind}": third for one, third in zip("qkv", value.chunk(3), strict=True)}
    return {f"{block}{_INNER.get(layer, layer)}.{part}": value}


def pooled(model: "CLIPVisionModel", pixels: Tensor) -> Tensor:
    """The normalised last states [N, D] of the class token, from pixels [N, 3, S, S]."""
    return model(pixel_values=pixels.to(model.device, torch.float32)).pooler_output
