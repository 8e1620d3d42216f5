"""RegionRoute's adapter: a PEFT LoRA on the attention of both kinds of block, by the published files' names."""

import torch
from diffusers import FluxTransformer2DModel
from peft import LoraConfig
from torch import nn

ADAPTED = {
    "double": r"transformer_blocks\.\d+\.attn\.(to_q|to_k|to_v|to_out\.0)",
    "single": r"single_transformer_blocks\.\d+\.attn\.(to_q|to_k|to_v)",
}
"""The layers that are adapted, by kind of block."""

PREFIX = "transformer."
"""Of the published files' keys."""


def add_lora(
    transformer: FluxTransformer2DModel, rank: int, adapted: str = "both", seed: int = 0
) -> dict[str, nn.Parameter]:
    """Freeze the transformer and add the LoRA; its parameters [r, in] and [out, r] come back by published name.

    A starts at random and B at zero, so that an untrained LoRA changes nothing.

    Args:
        adapted: "both", "double" or "single" blocks.
        seed: of the first weights.
    """
    torch.manual_seed(seed)
    transformer.requires_grad_(False)
    patterns = ADAPTED.values() if adapted == "both" else [ADAPTED[adapted]]
    transformer.add_adapter(
        LoraConfig(r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules="|".join(patterns))
    )
    trained = {_published(name): weight for name, weight in transformer.named_parameters() if weight.requires_grad}
    for weight in trained.values():
        weight.data = weight.data.float()  # beside a base in bfloat16 too
    return trained


def _published(name: str) -> str:
    return PREFIX + name.replace(".default.", ".")
