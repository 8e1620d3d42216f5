"""MODEL patching is exact, isolated and reversible, and refuses models that do not fit."""

import pytest
import torch
from styleroute.flux.layer_names import comfy_target
from styleroute.moe import StyleExpert, StyleExpertError


@pytest.fixture
def apply(parts):
    from styleroute.nodes.styles.moe_apply import MoEApply

    return lambda *args, **kwargs: MoEApply.execute(*args, **kwargs).result


@pytest.fixture
def style(parts, style_expert, siglip):
    from styleroute.nodes.styles.encode_style import EncodeStyle

    return EncodeStyle.execute(style_expert, siglip, torch.rand(1, 40, 60, 3)).result[0]


def weights_of(model) -> dict[str, torch.Tensor]:
    return {key: weight.clone() for key, weight in model.model.state_dict().items()}


def output_of(model, parts) -> torch.Tensor:
    """One step with a reference latent, on the model as its patcher loads it."""
    import comfy.model_management

    generator = torch.Generator().manual_seed(5)
    x, reference = torch.randn(2, 1, 16, 8, 8, generator=generator)
    context, extra = parts.random_conditioning()[0]
    comfy.model_management.load_models_gpu([model])
    with torch.no_grad():
        return model.model.apply_model(
            x,
            torch.tensor([0.7]),
            c_crossattn=context,
            y=extra["pooled_output"],
            guidance=torch.tensor([3.5]),
            ref_latents=[reference],
        )


def expected_weights(model, deltas, strength: float) -> dict[str, torch.Tensor]:
    """W + strength * up @ down, by hand, in float64."""
    weights = {key: weight.double() for key, weight in weights_of(model).items()}
    for layer, delta in deltas.items():
        target = comfy_target(layer, 128)
        start, length = target.rows or (0, len(delta.up))
        change = strength * delta.up.double() @ delta.down.double()
        weights[f"diffusion_model.{target.key}.weight"][start : start + length] += change
    return weights


@pytest.mark.parametrize("strength", [1.0, 0.35, -2.0])
def test_weights_are_the_explicit_sum(flux, style_expert, style, apply, strength):
    import comfy.model_management

    expected = expected_weights(flux, style_expert.collapse(style.embedding), strength)
    styled, _ = apply(flux, style_expert, strength, style)
    comfy.model_management.load_models_gpu([styled])
    for key, weight in styled.model.state_dict().items():
        torch.testing.assert_close(weight.double(), expected[key], rtol=1e-5, atol=1e-6)
    styled.detach()


def test_the_original_stays_bit_identical(flux, style_expert, style, apply, parts):
    weights, before = weights_of(flux), output_of(flux, parts)
    styled, _ = apply(flux, style_expert, 1.0, style)
    assert not flux.patches
    assert not torch.allclose(output_of(styled, parts), before, atol=1e-4)
    assert torch.equal(output_of(flux, parts), before)
    styled.detach()
    flux.detach()
    for key, weight in flux.model.state_dict().items():
        assert torch.equal(weight, weights[key])


def test_clones_are_independent(flux, style_expert, style, region_expert, apply, parts):
    styled, _ = apply(flux, style_expert, 1.0, style)
    alone = output_of(styled, parts)
    region, _ = apply(flux, region_expert, 1.0)
    assert not torch.equal(output_of(region, parts), alone)
    assert torch.equal(output_of(styled, parts), alone)


def test_strength_zero_is_exactly_the_base_model(flux, style_expert, style, apply, parts):
    before = output_of(flux, parts)
    styled, routing = apply(flux, style_expert, 0.0, style)
    assert styled is not flux
    assert not styled.patches
    assert torch.equal(output_of(styled, parts), before)
    assert routing.num_experts == 4


def test_a_chain_adds_up(flux, style_expert, style, apply, parts):
    once, _ = apply(flux, style_expert, 0.75, style)
    twice, _ = apply(apply(flux, style_expert, 0.5, style)[0], style_expert, 0.25, style)
    torch.testing.assert_close(output_of(twice, parts), output_of(once, parts), rtol=1e-4, atol=1e-5)


def test_pairs_stay_low_rank(flux, style_expert, style, apply):
    styled, _ = apply(flux, style_expert, 1.0, style)
    for patches in styled.patches.values():
        for _, adapter, *_ in patches:
            assert adapter.weights[0].shape[1] == adapter.weights[1].shape[0] == 2 + 2 * 2


def test_every_fused_slice_is_patched(flux, style_expert, style, apply):
    styled, _ = apply(flux, style_expert, 1.0, style)
    offsets = [patch[3] for patch in styled.patches["diffusion_model.single_blocks.0.linear1.weight"]]
    assert sorted(offsets) == [(0, 0, 128), (0, 128, 128), (0, 256, 128), (0, 384, 512)]


def test_an_untrained_expert_changes_nothing(flux, region_expert, apply, parts):
    from safetensors.torch import load_file, save_file

    state = load_file(region_expert.path)
    save_file({key: weight * (0 if "lora_B" in key else 1) for key, weight in state.items()}, region_expert.path)
    styled, _ = apply(flux, StyleExpert.open(region_expert.path), 1.0)
    assert torch.equal(output_of(styled, parts), output_of(flux, parts))


def test_sd15_is_refused(parts, style_expert, style, apply):
    with pytest.raises(StyleExpertError, match=r"The model is SD15 .* FLUX.1 Kontext only"):
        apply(parts.random_model("SD15", parts.SD15), style_expert, 1.0, style)


def test_a_flux_of_fewer_blocks_is_refused(parts, style_expert, style, apply):
    small = parts.random_model("Flux", parts.FLUX | {"depth_single_blocks": 1})
    with pytest.raises(StyleExpertError, match=r"1 double and 1 single blocks does not have.*5 more layers"):
        apply(small, style_expert, 1.0, style)
    assert not small.patches


def test_a_flux_of_other_width_is_refused(parts, style_expert, style, apply):
    wide = parts.random_model("Flux", parts.FLUX | {"hidden_size": 256, "num_heads": 2})
    with pytest.raises(StyleExpertError, match="768 x 128 in the file and 1536 x 256 in the model"):
        apply(wide, style_expert, 1.0, style)


def test_nan_style_is_refused_and_nothing_applied(flux, style_expert, style, apply):
    broken = type(style)(style.embedding * float("nan"), 1, style.encoder_id)
    with pytest.raises(StyleExpertError, match="NaN"):
        apply(flux, style_expert, 1.0, broken)
    assert not flux.patches


def test_a_weight_that_comfyui_skips_is_refused(flux, style_expert, style):
    from styleroute.nodes.model_patching import patch_keys, patched

    keys = patch_keys(flux, style_expert)
    keys[next(iter(keys))] = "diffusion_model.nowhere.weight"
    with pytest.raises(StyleExpertError, match=r"did not patch 1 of 26 weights, .* diffusion_model.nowhere"):
        patched(flux, keys, style_expert.collapse(style.embedding), 1.0)
