"""The published layout: names, shapes and size, at full size too; an untrained LoRA changes nothing."""

import pytest
import torch
from diffusers import FluxTransformer2DModel
from peft.utils import get_peft_model_state_dict
from styleroute.training.regions.lora import add_lora


def _flux(double: int = 1, single: int = 2, heads: int = 2) -> FluxTransformer2DModel:
    return FluxTransformer2DModel(
        in_channels=64, num_layers=double, num_single_layers=single, attention_head_dim=128, num_attention_heads=heads,
        joint_attention_dim=64, pooled_projection_dim=16, guidance_embeds=True,
    )  # fmt: skip


def test_kontext_at_full_size_has_the_published_layout() -> None:
    with torch.device("meta"):
        trained = add_lora(_flux(19, 38, heads=24), rank=4)
    double = [f"transformer_blocks.{block}.attn.{end}" for block in range(19)
              for end in ("to_q", "to_k", "to_v", "to_out.0")]  # fmt: skip
    single = [f"single_transformer_blocks.{block}.attn.{end}" for block in range(38)
              for end in ("to_q", "to_k", "to_v")]  # fmt: skip
    expected = {
        f"transformer.{layer}.lora_{part}.weight": shape
        for layer in (*double, *single)
        for part, shape in (("A", (4, 3072)), ("B", (3072, 4)))
    }
    assert {name: tuple(weight.shape) for name, weight in trained.items()} == expected
    assert 18e6 < sum(weight.nbytes for weight in trained.values()) < 19e6


@pytest.mark.parametrize(("adapted", "layers"), [("both", 4 + 2 * 3), ("double", 4), ("single", 2 * 3)])
def test_either_kind_of_block_alone(adapted: str, layers: int) -> None:
    names = {name.rsplit(".lora_", 1)[0] for name in add_lora(_flux(), 2, adapted)}
    assert len(names) == layers
    if adapted != "both":
        assert all(name.startswith("transformer.single") == (adapted == "single") for name in names)


def test_names_are_pefts_own_and_the_rest_is_frozen() -> None:
    flux = _flux()
    trained = add_lora(flux, rank=3)
    theirs = get_peft_model_state_dict(flux)
    assert {name.removeprefix("transformer.") for name in trained} == set(theirs)
    assert all(torch.equal(weight, theirs[name.removeprefix("transformer.")]) for name, weight in trained.items())
    learning = {id(weight) for weight in trained.values()}
    assert all(weight.requires_grad == (id(weight) in learning) for weight in flux.parameters())


def test_it_starts_at_zero_from_its_seed_in_float32() -> None:
    flux = _flux().to(torch.bfloat16)
    trained = add_lora(flux, rank=4, seed=3)
    again, other = (add_lora(_flux(), rank=4, seed=seed) for seed in (3, 4))
    assert all(weight.dtype == torch.float32 for weight in trained.values())
    assert not any(weight.any() for name, weight in trained.items() if ".lora_B." in name)
    downs = [name for name in trained if ".lora_A." in name]
    assert all(torch.equal(trained[name].bfloat16(), again[name].bfloat16()) for name in downs)
    assert not any(torch.equal(again[name], other[name]) for name in downs)
