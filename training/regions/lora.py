"""RegionRoute's adapter: a PEFT LoRA on the attention of both kinds of blocks, with the published files' names."""

import torch
from diffusers import FluxTransformer2DModel
from peft import LoraConfig
from torch import nn

ADAPTED = {
    "double": r"transformer_blocks\.\d+\.attn\.(to_q|to_k|to_v|to_out\.0)",
    "single": r"single_transformer_blocks\.\d+\.attn\.(to_q|to_k|to_v)",
}
"""Patterns of the adapted layers' names, by kind of block."""

PREFIX = "transformer."
"""Prefix of the keys in the published files."""


def add_lora(
    transformer: FluxTransformer2DModel, rank: int, adapted: str = "both", seed: int = 0
) -> dict[str, nn.Parameter]:
    """Freeze the transformer and add the LoRA; returns its parameters [r, in] and [out, r] by their published names.

    A starts at random and B at zero, so that an untrained LoRA changes nothing.

    Args:
        transformer: the base model.
        rank: r; the LoRA's alpha is the same number.
        adapted: "both", "double" or "single" blocks.
        seed: seed of the initial weights.
    """
    torch.manual_seed(seed)
    transformer.requires_grad_(False)
    patterns = ADAPTED.values() if adapted == "both" else [ADAPTED[adapted]]
    transformer.add_adapter(
        LoraConfig(r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules="|".join(patterns))
    )
    trained = {_published(name): weight for name, weight in transformer.named_parameters() if weight.requires_grad}
    for weight in trained.values():
        weight.data = weight.data.float()  # also for a base model in bfloat16
    return trained


def _published(name: str) -> str:
    return PREFIX + name.replace(".default.", ".")
