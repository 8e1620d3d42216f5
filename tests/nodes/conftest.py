"""Small random expert files; nothing here needs ComfyUI."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from styleroute.moe import ExpertConfig, StyleExpert, save_expert
from styleroute.moe.config import EncoderConfig
from styleroute.moe.encoder import StyleEncoder
from styleroute.nodes.styles.style_types import Style, encoder_id

LAYER, OUT, IN = "transformer_blocks.0.attn.to_q", 128, 128
CONFIG = ExpertConfig(
    kind="style-moe", num_experts=4, rank=2, shared_rank=2, top_k=2, alpha=2.0, cond_dim=24, routing="paper"
)
ENCODER = EncoderConfig(
    taps=(-1, -2), num_queries=2, num_tokens=4, hidden_size=8, proj_dim=6, cond_dim=24, vision_model="small.safetensors"
)


@pytest.fixture
def style_expert(tmp_path: Path) -> StyleExpert:
    key = f"{LAYER}.lora_layer"
    experts = {
        f"{key}.loraA": torch.randn(4, 2, IN),
        f"{key}.loraB": torch.randn(4, OUT, 2),
        f"{key}.shared_A": torch.randn(1, 2, IN),
        f"{key}.shared_B": torch.randn(1, OUT, 2),
        f"{key}.cond_gate.weight": torch.randn(4, 24),
    }
    path = tmp_path / "styles.safetensors"
    save_expert(path, experts, CONFIG, StyleEncoder(ENCODER).state_dict(), encoder_config=ENCODER)
    return StyleExpert.open(path)


@pytest.fixture
def style(style_expert: StyleExpert) -> Style:
    return Style(torch.randn(1, 24), 1, encoder_id(style_expert.encoder))


@pytest.fixture
def region_expert(tmp_path: Path) -> StyleExpert:
    path = tmp_path / "pixel-art.safetensors"
    key = f"transformer.{LAYER}"
    save_file({f"{key}.lora_A.weight": torch.randn(4, IN), f"{key}.lora_B.weight": torch.randn(OUT, 4)}, path)
    return StyleExpert.open(path)
