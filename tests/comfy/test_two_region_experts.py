"""RegionRoute Sampler with a region expert for each of two styles: each expert keeps to its own region."""

import pytest
import torch

TEXT = "make the guitar in mosaic style and the owl in pixel-art style"
STYLES = ("mosaic", "pixel-art")
IMAGE = slice(0, 4 * 6)
"""The image tokens in the image stream."""


@pytest.fixture
def two_experts(folders, write_lora) -> None:
    for seed, style in enumerate(STYLES):
        write_lora(folders[0] / f"{style}.safetensors", seed)


@pytest.fixture
def used_weights(parts, monkeypatch) -> list[list[torch.Tensor]]:
    """The experts' weights in the image tokens, [24] each, in every call of the model."""
    from styleroute.nodes.branch import branch_run

    calls = []

    def recording(network, active):
        calls.append([_dense(weights["image"])[IMAGE] for _, _, weights in active])
        return installed(network, active)

    installed = branch_run.installed
    monkeypatch.setattr(branch_run, "installed", recording)
    return calls


def _dense(weights) -> torch.Tensor:
    if weights.positions is None:
        return torch.ones(4 * 6) if weights.values is None else weights.values[:, 0]
    return torch.zeros(weights.count).index_put((weights.positions,), weights.values[:, 0])


def test_after_the_first_steps_no_token_gets_two_experts(region_sample, prompt, two_experts, used_weights):
    region_sample(prompt(TEXT), region_expert="auto", steps=20)
    assert len(used_weights) == 20
    for first in used_weights[:2]:
        assert all(bool((weights == 1).all()) for weights in first)
    for weights in used_weights[2:]:
        assert 0 < len(weights) <= 2
        assert torch.stack(weights).sum(0).max() <= 1 + 1e-5


def test_the_first_step_equals_both_experts_merged(flux, region_sample, sample, prompt, two_experts, folders):
    import comfy.sd
    import comfy.utils

    both = flux
    for style in STYLES:
        lora = comfy.utils.load_torch_file(str(folders[0] / f"{style}.safetensors"))
        both, _ = comfy.sd.load_lora_for_models(both, None, lora, 1.0, 0)
    found = region_sample(prompt(TEXT), region_expert="auto", steps=1, blocks="none")[0]["samples"]
    torch.testing.assert_close(found, sample(both, prompt(TEXT), steps=1), rtol=1e-4, atol=1e-4)


def test_two_names_of_one_style_are_one_expert_in_one_region(region_sample, prompt, two_experts, used_weights):
    text = "make the guitar in pixel-art style and the owl in pixel art style"
    region_sample(prompt(text), region_expert="auto", steps=3)
    assert not used_weights  # one expert is merged into the weights


def test_another_seed_uses_the_same_clone(flux, region_sample, prompt, two_experts, monkeypatch):
    from styleroute.nodes.regions import region_sampler

    used = []
    with_experts = region_sampler.with_experts
    monkeypatch.setattr(region_sampler, "with_experts", lambda *inputs: used.append(with_experts(*inputs)) or used[-1])
    for seed in (1, 2):
        region_sample(prompt(TEXT), region_expert="auto", seed=seed)
    assert used[0] is used[1]
    assert not flux.patches


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_one_expert_acts_at_run_time_on_weights_of_8_bits(flux, two_experts, dtype, folders):
    from styleroute.moe import StyleExpert
    from styleroute.nodes.branch.branched_model import branches_of
    from styleroute.nodes.regions.apply_experts import with_experts

    expert = StyleExpert.open(folders[0] / "mosaic.safetensors")
    assert with_experts(flux, [expert], 1.0).patches
    linear = flux.model.diffusion_model.double_blocks[0].img_attn.qkv
    linear.weight.data = linear.weight.data.to(dtype)
    again = with_experts(flux.clone(), [expert], 1.0)
    assert not again.patches
    assert [branch.place for branch in branches_of(again)] == [None]
