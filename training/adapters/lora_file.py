"""A plain LoRA as a file that every loader reads: diffusers' names, the scale 1."""

from ...moe import ExpertConfig


def lora_config(rank: int, base: str) -> ExpertConfig:
    """What the header entry says of a plain LoRA whose alpha is its rank."""
    return ExpertConfig(
        kind="region-lora", num_experts=1, rank=rank, shared_rank=0, top_k=1, alpha=float(rank), cond_dim=0, base=base
    )
