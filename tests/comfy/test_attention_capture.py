"""Maps from ComfyUI's own samplers are exact and of the right rows, and leave model and image unchanged."""

from functools import partial

import pytest
import torch
from styleroute.attention import Columns
from torch import Tensor

OBJECT, STYLE = "object: guitar", "style: mosaic"


def naive_map(matrix: Tensor, tokens, text: int, cells: tuple[int, int]) -> Tensor:
    """Mean of softmax(q k) over heads and the span's tokens, for the rows of the image."""
    rows = matrix[0, :, text : text + cells[0] * cells[1]]
    return rows[..., list(tokens)].mean(dim=(0, -1)).unflatten(0, cells).float()


def test_maps_are_the_full_softmax(flux, capture, prompt, parts, sample, with_reference, spy):
    seen, positive = [], with_reference(prompt())
    model, maps = capture(spy(flux, seen))
    sample(model, positive, steps=2)
    assert len(seen) == 2 * 3
    for name, span in maps.spans.items():
        values = maps.read(0, name)
        assert values.blocks == ("double 0", "single 0", "single 1")
        assert values.steps == (0, 1)
        expected = [naive_map(matrix, span.tokens, parts.TEXT_TOKENS, (4, 6)) for *_, matrix in seen]
        torch.testing.assert_close(values.values.flatten(0, 2), torch.stack(expected), rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(maps.mean(0, name), torch.stack(expected).mean(0), rtol=1e-5, atol=1e-7)


def test_one_flash_call_gives_the_same_maps_and_image(flux, capture, prompt, sample, with_reference, spy):
    positive, (spied, expected) = with_reference(prompt()), capture(spy(flux, []))
    model, maps = capture()
    image = sample(model, positive)
    torch.testing.assert_close(image, sample(flux, positive), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(image, sample(spied, positive), rtol=1e-5, atol=1e-5)
    assert maps.spans.keys() == {OBJECT, STYLE}
    for name in maps.spans:
        torch.testing.assert_close(maps.read(0, name).values, expected.read(0, name).values, rtol=1e-4, atol=1e-6)


def test_the_node_says_that_the_image_stays_the_same_within_rounding(flux, capture, prompt, sample):
    """Heun's two evaluations per step increase the rounding error."""
    from styleroute.nodes.maps.capture_attention import CaptureAttention

    assert "stays the same within rounding" in CaptureAttention.define_schema().description
    settings = {"sampler": "heun", "steps": 8}
    plain, captured = sample(flux, prompt(), **settings), sample(capture()[0], prompt(), **settings)
    torch.testing.assert_close(captured, plain, rtol=0, atol=1e-3)


def test_columns_are_built_once_for_all_blocks(capture, prompt, sample, monkeypatch):
    built, of = [], Columns.of
    monkeypatch.setattr(Columns, "of", lambda *args: built.append(args) or of(*args))
    model, maps = capture()
    sample(model, prompt(), steps=2)
    assert maps.read(0, STYLE).values.shape[:2] == (2, 3)
    assert len(built) == 2


def test_an_override_of_another_pack_stays_in_use(flux, capture, prompt, sample, spy):
    seen: list = []
    spied = spy(flux, seen)
    model, _ = capture(spied)
    assert torch.equal(sample(model, prompt()), sample(spied, prompt()))
    assert len(seen) == 2 * 2 * 3
    assert capture(model)[0] is not model
    assert "optimized_attention_override" not in flux.model_options["transformer_options"]


def test_the_model_stays_unchanged(flux, capture, prompt, sample):
    before, wrappers = sample(flux, prompt()), {key: dict(value) for key, value in flux.wrappers.items()}
    model, _ = capture()
    sample(model, prompt())
    assert flux.wrappers == wrappers
    assert not flux.model_options["transformer_options"]
    assert not model.model_options["transformer_options"]
    assert torch.equal(sample(flux, prompt()), before)


def test_an_interruption_clears_the_maps(flux, capture, prompt, monkeypatch, sample):
    import comfy.model_management
    import comfy.utils

    before = sample(flux, prompt())
    model, maps = capture()
    interruption = comfy.model_management.InterruptProcessingException

    def hook(value, *args, **kwargs):
        assert maps.spans
        raise interruption

    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", hook)
    with pytest.raises(interruption):
        sample(model, prompt())
    monkeypatch.undo()
    assert not maps.spans
    assert torch.equal(sample(flux, prompt()), before)
    sample(model, prompt())
    assert maps.spans.keys() == {OBJECT, STYLE}


def test_a_new_run_clears_the_maps_of_the_last(capture, prompt, sample):
    model, maps = capture()
    sample(model, prompt(), seed=1)
    first = maps.mean(0, STYLE)
    sample(model, prompt(), seed=2)
    second = maps.mean(0, STYLE)
    assert not torch.equal(first, second)
    sample(model, prompt(), seed=1)
    assert torch.equal(maps.mean(0, STYLE), first)


def test_two_captures_in_a_row_get_the_same_maps(capture, prompt, sample):
    model, inner = capture()
    model, outer = capture(model, blocks=frozenset({("single", 1)}))
    sample(model, prompt())
    assert outer.read(0, STYLE).blocks == ("single 1",)
    both = inner.read(0, STYLE).values[:, 2], outer.read(0, STYLE).values[:, 0]
    torch.testing.assert_close(*both, rtol=1e-4, atol=1e-6)


def test_spans_pass_through_stock_nodes(capture, prompt, sample):
    from comfy_extras.nodes_edit_model import ReferenceLatent
    from comfy_extras.nodes_flux import FluxGuidance

    import nodes

    positive = FluxGuidance.execute(prompt(), 2.5).result[0]
    positive = ReferenceLatent.execute(positive, {"samples": torch.randn(1, 16, 8, 12)}).result[0]
    ranged = nodes.ConditioningSetTimestepRange().set_range(positive, 0.0, 1.0)[0]
    other = prompt("make the owl in pixel-art style")
    combined = nodes.ConditioningCombine().combine(ranged, other)[0]
    model, maps = capture()
    sample(model, combined)
    assert list(maps.spans) == [OBJECT, STYLE, "object: owl", "style: pixel-art"]


def test_two_prompts_with_one_style_have_two_maps(capture, prompt, sample):
    import nodes

    guitar, owl = prompt("make the guitar in mosaic style"), prompt("make the owl in mosaic style")
    model, maps = capture()
    sample(model, nodes.ConditioningCombine().combine(guitar, owl)[0], steps=1)
    assert set(maps.spans) == {"object: guitar", "object: owl", "style: mosaic", "style: mosaic (2)"}
    assert not torch.equal(maps.mean(0, "style: mosaic"), maps.mean(0, "style: mosaic (2)"))
    sample(model, nodes.ConditioningCombine().combine(guitar, guitar)[0], steps=1)
    assert set(maps.spans) == {"object: guitar", "style: mosaic"}


def test_a_timestep_range_captures_its_own_steps(capture, prompt, sample):
    import nodes

    def ranged(conditioning, start, end):
        return nodes.ConditioningSetTimestepRange().set_range(conditioning, start, end)[0]

    model, maps = capture()
    other = prompt("make the owl in pixel-art style")
    sample(model, ranged(prompt(), 0.0, 0.5) + ranged(other, 0.5, 1.0), steps=6)
    early, late = maps.read(0, STYLE).steps, maps.read(0, "style: pixel-art").steps
    assert early[0] == 0
    assert late[-1] == 5
    assert sorted({*early, *late}) == [0, 1, 2, 3, 4, 5]


def test_only_conditional_rows_are_captured_at_any_cfg(capture, prompt, plain, sample):
    model, maps = capture()
    sample(model, prompt(), steps=1)
    expected = maps.read(0, STYLE).values
    for negative in (plain("blurry"), prompt()):  # the second negative has spans
        sample(model, prompt(), negative, steps=1, cfg=3.0)
        assert maps.spans.keys() == {OBJECT, STYLE}
        assert maps.images == 1
        torch.testing.assert_close(maps.read(0, STYLE).values, expected, rtol=1e-4, atol=1e-6)


def test_a_second_evaluation_by_a_guidance_is_not_captured(flux, capture, prompt, plain, sample):
    """SkipLayerGuidanceDiT evaluates a second time without some of the blocks."""
    from comfy.samplers import calc_cond_batch

    def once_more(args):
        options = {**args["model_options"], "transformer_options": {**args["model_options"]["transformer_options"]}}
        options["transformer_options"]["patches_replace"] = {
            "dit": {("double_block", 0): lambda given, extra: {"img": given["img"] + 1, "txt": given["txt"]}}
        }
        calc_cond_batch(args["model"], [args["cond"]], args["input"], args["sigma"], options)
        return args["denoised"]

    guided = flux.clone()
    guided.set_model_sampler_post_cfg_function(once_more, disable_cfg1_optimization=True)
    (alone, expected), (model, maps) = capture(), capture(guided)
    sample(alone, prompt())
    sample(model, prompt(), plain("blurry"))
    torch.testing.assert_close(maps.read(0, STYLE).values, expected.read(0, STYLE).values, rtol=1e-4, atol=1e-6)


def test_a_step_that_is_evaluated_twice_is_captured_twice(capture, prompt, sample):
    """Heun's sampler evaluates a noise level as the end of a step and again as the start of the next."""
    model, maps = capture()
    taken = []
    add = maps.add
    maps.add = lambda image, span, step, *rest: (taken.append((span.name, step)), add(image, span, step, *rest))
    sample(model, prompt(), steps=3, sampler="heun")
    assert len(taken) == 2 * 3 * 5  # phrases, blocks, evaluations


def test_every_image_of_a_batch_has_its_own_maps(capture, prompt, sample, with_reference):
    model, maps = capture()
    noise = {"samples": torch.zeros(3, 16, 8, 12)}
    sample(model, with_reference(prompt()), latent=noise)
    assert maps.images == 3
    together = [maps.mean(image, STYLE) for image in range(3)]
    for image in range(3):
        sample(model, with_reference(prompt()), latent={"samples": noise["samples"][:1], "batch_index": [image]})
        torch.testing.assert_close(maps.mean(0, STYLE), together[image], rtol=1e-4, atol=1e-6)


def test_maps_have_the_size_of_the_latent_not_of_its_reference(capture, prompt, sample, with_reference):
    model, maps = capture()
    sample(model, with_reference(prompt(), 12, 20))
    assert maps.read(0, STYLE).values.shape[-2:] == (4, 6)


@pytest.mark.parametrize(("height", "width", "cells"), [(9, 12, (5, 6)), (8, 13, (4, 7)), (7, 11, (4, 6))])
def test_odd_latents(capture, prompt, height, width, cells, sample):
    from styleroute.nodes.maps.region_mask import region_mask

    model, maps = capture()
    sample(model, prompt(), latent={"samples": torch.zeros(1, 16, height, width)}, steps=1)
    assert maps.read(0, STYLE).values.shape[-2:] == cells
    assert region_mask(maps, "style", (height * 8, width * 8)).shape == (1, height * 8, width * 8)


def test_chosen_blocks_and_steps(capture, prompt, sample):
    model, maps = capture(blocks=frozenset({("double", 0), ("single", 1)}), steps=frozenset({1, 3}))
    sample(model, prompt(), steps=4)
    values = maps.read(0, STYLE)
    assert values.blocks == ("double 0", "single 1")
    assert values.steps == (1, 3)


@pytest.mark.parametrize(
    ("sigmas", "sigma", "step"),
    [
        ((1.0, 0.6, 0.3, 0.0), 1.0, 0),
        ((1.0, 0.6, 0.3, 0.0), 0.6, 1),
        ((1.0, 0.6, 0.3, 0.0), 0.45, 1),
        ((1.0, 0.6, 0.3, 0.0), 0.01, 2),
        ((1.0, 0.6, 0.3, 0.0), 1.2, 0),
        ((0.0, 0.3, 0.6, 1.0), 0.0, 0),
        ((0.0, 0.3, 0.6, 1.0), 0.45, 1),
        ((0.0, 0.3, 0.6, 1.0), 0.6, 2),
    ],
)
def test_the_step_of_a_noise_level(parts, sigmas, sigma, step):
    from styleroute.nodes.maps.sampler_run import SamplerRun

    assert SamplerRun({}, sigmas).step_at(sigma) == step


@pytest.mark.parametrize("sampler", ["heun", "dpmpp_2m", "dpmpp_sde", "uni_pc", "lcm", "dpm_adaptive"])
def test_any_sampler(capture, prompt, sampler, sample):
    model, maps = capture()
    sample(model, prompt(), sampler=sampler, steps=3)
    steps = maps.read(0, STYLE).steps
    assert steps[0] == 0
    assert set(steps) <= {0, 1, 2}


@pytest.mark.parametrize("guider", ["basic", "cfg", "dual"])
def test_sampler_custom_advanced(flux, capture, prompt, plain, guider):
    from comfy_extras import nodes_custom_sampler as custom

    model, maps = capture()
    guider = {
        "basic": partial(custom.BasicGuider.execute, model, prompt()),
        "cfg": partial(custom.CFGGuider.execute, model, prompt(), plain("blurry"), 2.0),
        "dual": partial(
            custom.DualCFGGuider.execute, model, prompt(), plain("a photo"), plain("blurry"), 2.0, 1.5, "regular"
        ),
    }[guider]().result[0]
    noise = custom.RandomNoise.execute(3).result[0]
    sampler = custom.KSamplerSelect.execute("euler").result[0]
    sigmas = custom.BasicScheduler.execute(model, "simple", 2, 1.0).result[0]
    latent = {"samples": torch.zeros(1, 16, 8, 12)}
    custom.SamplerCustomAdvanced.execute(noise, guider, sampler, sigmas, latent)
    assert maps.read(0, STYLE).steps == (0, 1)
    assert maps.spans.keys() == {OBJECT, STYLE}


def test_a_lora_after_the_capture_keeps_it(capture, prompt, sample):
    model, maps = capture()
    sample(model.clone(), prompt())
    assert maps.spans


def test_prompts_of_two_chunks_of_text(capture, prompt, sample):
    long = "an image of a quiet harbour in the morning, " * 8 + "make the guitar in mosaic style"
    model, maps = capture()
    sample(model, prompt(long), steps=1)
    assert maps.spans[STYLE].tokens[0] > 80
