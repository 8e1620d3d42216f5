"""Maps out of ComfyUI's own samplers: exact, of the right rows, and without a trace in the model or the picture."""

import importlib
from functools import partial

import pytest
import torch
from styleroute.attention import AttentionError, Columns
from styleroute.moe import StyleExpertError
from torch import Tensor

OBJECT, STYLE = "object: guitar", "style: mosaic"
ALL = frozenset({("double", 0), ("single", 0), ("single", 1)})


@pytest.fixture
def capture(flux):
    """The small Flux captured, and its maps."""
    from styleroute.nodes.attention_capture import capturing
    from styleroute.nodes.recorded_maps import RecordedMaps

    def make(model=None, blocks=ALL, steps=None):
        maps = RecordedMaps()
        return capturing(model or flux, maps, blocks, steps), maps

    return make


@pytest.fixture
def no_fused_kernel(monkeypatch):
    """As on Apple's, DirectML's and some of AMD's devices."""
    module = importlib.import_module("styleroute.attention.span_attention")
    monkeypatch.setattr(module, "attention_with_lse", lambda *args: None)
    monkeypatch.setattr(module, "has_fused_kernel", lambda *args: False)


def spy(model, seen: list):
    """A clone with another pack's override: attention by the formula, in float64, which also keeps the matrices."""

    def override(func, q, k, v, heads, *args, transformer_options=None, **kwargs):
        matrix = (q.double() @ k.double().transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
        seen.append((transformer_options["block_type"], transformer_options["block_index"], matrix))
        return (matrix @ v.double()).to(v.dtype).transpose(1, 2).flatten(2)

    clone = model.clone()
    clone.model_options["transformer_options"]["optimized_attention_override"] = override
    return clone


def naive_map(matrix: Tensor, tokens, text: int, cells: tuple[int, int]) -> Tensor:
    """Mean over heads and the span's tokens of the columns of softmax(q k), for the rows of the picture."""
    rows = matrix[0, :, text : text + cells[0] * cells[1]]
    return rows[..., list(tokens)].mean(dim=(0, -1)).unflatten(0, cells).float()


def test_maps_are_the_full_softmax(flux, capture, prompt, parts, sample, with_reference):
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


def test_one_flash_call_gives_the_same_maps_and_picture(flux, capture, prompt, sample, with_reference):
    positive, (spied, expected) = with_reference(prompt()), capture(spy(flux, []))
    model, maps = capture()
    picture = sample(model, positive)
    torch.testing.assert_close(picture, sample(flux, positive), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(picture, sample(spied, positive), rtol=1e-5, atol=1e-5)
    assert maps.spans.keys() == {OBJECT, STYLE}
    for name in maps.spans:
        torch.testing.assert_close(maps.read(0, name).values, expected.read(0, name).values, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["attention_sub_quad", "attention_split", "attention_basic", "attention_pytorch"])
def test_without_a_fused_kernel_the_picture_is_comfyuis_own(
    flux, capture, prompt, sample, with_reference, no_fused_kernel, monkeypatch, name
):
    import comfy.ldm.flux.math
    import comfy.ldm.modules.attention

    positive, (spied, expected) = with_reference(prompt()), capture(spy(flux, []))
    sample(spied, positive)
    monkeypatch.setattr(comfy.ldm.flux.math, "optimized_attention", getattr(comfy.ldm.modules.attention, name))
    model, maps = capture()
    assert torch.equal(sample(model, positive), sample(flux, positive))
    for name in maps.spans:
        torch.testing.assert_close(maps.read(0, name).values, expected.read(0, name).values, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "settings", "replaced"),
    [
        ("attention_pytorch", {}, True),
        ("attention_xformers", {}, True),
        ("attention_flash", {}, True),
        ("attention_sub_quad", {}, True),
        ("attention_sub_quad", {"attn_precision": torch.float32}, False),
        ("attention_split", {"attn_precision": torch.float16}, True),
        ("attention_basic", {"attn_precision": torch.float32}, False),
        ("attention_xformers", {"attn_precision": torch.float32}, True),  # it does not heed it, either
        ("attention_sage", {}, False),
    ],
)
def test_which_functions_one_flash_call_stands_in_for(parts, name, settings, replaced):
    assert attended(name, **settings) == ([] if replaced else [name])


@pytest.mark.parametrize(("dtype", "replaced"), [(torch.float16, False), (torch.bfloat16, True), (torch.float32, True)])
def test_attention_that_comfyui_computes_more_precisely_is_its_own(parts, monkeypatch, dtype, replaced):
    """As on macOS, where pictures were black, and with --force-upcast-attention."""
    import comfy.ldm.modules.attention

    monkeypatch.setattr(comfy.ldm.modules.attention, "FORCE_UPCAST_ATTENTION_DTYPE", {torch.float16: torch.float32})
    assert attended("attention_sub_quad", dtype) == ([] if replaced else ["attention_sub_quad"])


@pytest.mark.parametrize("name", ["attention_xformers", "attention_flash", "attention_pytorch"])
def test_no_function_is_replaced_without_a_kernel(parts, no_fused_kernel, name):
    assert attended(name) == [name]


def attended(name: str, dtype: torch.dtype = torch.float16, **settings) -> list[str]:
    """Captures one block whose attention is a function of that name: the calls of it."""
    from styleroute.nodes.attention_capture import Call
    from styleroute.nodes.region_spans import RegionSpan

    def function(q, k, v, heads, **kwargs):
        calls.append(name)
        return (q @ k.mT).softmax(-1) @ v

    calls, block = [], ("double", 0)
    function.__name__ = name
    q, k, v = torch.randn(3, 1, 2, 10, 8).to(dtype)
    call = Call(0, [(RegionSpan("mosaic", "style", (1, 2)),)], 1, 4, (2, 3), frozenset({block}), None)
    options = {"block_type": block[0], "block_index": block[1]}
    call.attend(function, q, k, v, 2, skip_reshape=True, mask=None, transformer_options=options, **settings)
    ((_, maps),) = call.taken
    matrix = (q.double() @ k.double().mT / 8**0.5).softmax(-1)
    torch.testing.assert_close(maps[0, 0].double(), matrix[0, :, 4:, 1:3].mean(dim=(0, 2)), rtol=2e-2, atol=1e-4)
    return calls


def test_columns_are_built_once_for_all_blocks(capture, prompt, sample, monkeypatch):
    built, of = [], Columns.of
    monkeypatch.setattr(Columns, "of", lambda *args: built.append(args) or of(*args))
    model, maps = capture()
    sample(model, prompt(), steps=2)
    assert maps.read(0, STYLE).values.shape[:2] == (2, 3)
    assert len(built) == 2


def test_an_override_of_another_pack_is_called_and_stays(flux, capture, prompt, sample):
    seen: list = []
    spied = spy(flux, seen)
    model, _ = capture(spied)
    assert torch.equal(sample(model, prompt()), sample(spied, prompt()))
    assert len(seen) == 2 * 2 * 3
    assert capture(model)[0] is not model
    assert "optimized_attention_override" not in flux.model_options["transformer_options"]


def test_the_model_is_left_as_it_was(flux, capture, prompt, sample):
    before, wrappers = sample(flux, prompt()), {key: dict(value) for key, value in flux.wrappers.items()}
    model, _ = capture()
    sample(model, prompt())
    assert flux.wrappers == wrappers
    assert not flux.model_options["transformer_options"]
    assert not model.model_options["transformer_options"]
    assert torch.equal(sample(flux, prompt()), before)


def test_an_interruption_leaves_nothing(flux, capture, prompt, monkeypatch, sample):
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


def test_a_new_run_forgets_the_last(capture, prompt, sample):
    model, maps = capture()
    sample(model, prompt(), seed=1)
    first = maps.mean(0, STYLE)
    sample(model, prompt(), seed=2)
    second = maps.mean(0, STYLE)
    assert not torch.equal(first, second)
    sample(model, prompt(), seed=1)
    assert torch.equal(maps.mean(0, STYLE), first)


def test_two_captures_in_a_row_see_the_same(capture, prompt, sample):
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
    for negative in (plain("blurry"), prompt()):  # also where the negative knows phrases
        sample(model, prompt(), negative, steps=1, cfg=3.0)
        assert maps.spans.keys() == {OBJECT, STYLE}
        assert maps.pictures == 1
        torch.testing.assert_close(maps.read(0, STYLE).values, expected, rtol=1e-4, atol=1e-6)


def test_every_picture_of_a_batch_has_its_own_maps(capture, prompt, sample, with_reference):
    model, maps = capture()
    noise = {"samples": torch.zeros(3, 16, 8, 12)}
    sample(model, with_reference(prompt()), latent=noise)
    assert maps.pictures == 3
    together = [maps.mean(picture, STYLE) for picture in range(3)]
    for picture in range(3):
        sample(model, with_reference(prompt()), latent={"samples": noise["samples"][:1], "batch_index": [picture]})
        torch.testing.assert_close(maps.mean(0, STYLE), together[picture], rtol=1e-4, atol=1e-6)


def test_maps_are_of_the_latent_not_of_its_reference(capture, prompt, sample, with_reference):
    model, maps = capture()
    sample(model, with_reference(prompt(), 12, 20))
    assert maps.read(0, STYLE).values.shape[-2:] == (4, 6)


@pytest.mark.parametrize(("height", "width", "cells"), [(9, 12, (5, 6)), (8, 13, (4, 7)), (7, 11, (4, 6))])
def test_odd_latents(capture, prompt, height, width, cells, sample):
    from styleroute.nodes.region_mask import region_mask

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
    from styleroute.nodes.attention_capture import Run

    assert Run({}, sigmas).step_at(sigma) == step


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
    long = "a picture of a quiet harbour in the morning, " * 8 + "make the guitar in mosaic style"
    model, maps = capture()
    sample(model, prompt(long), steps=1)
    assert maps.spans[STYLE].tokens[0] > 80


def test_a_conditioning_without_spans_is_refused_before_any_step(capture, plain, sample):
    model, _ = capture()
    with pytest.raises(AttentionError, match="encode the prompt with Region Style Prompt"):
        sample(model, plain("make the guitar in mosaic style"))


@pytest.fixture
def right_half() -> Tensor:
    mask = torch.zeros(1, 64, 96)
    mask[:, :, 48:] = 1
    return mask


def test_a_rectangle_is_refused(capture, prompt, sample, right_half):
    import nodes

    area = nodes.ConditioningSetArea().append(prompt(), 32, 32, 0, 0, 1.0)[0]
    bounds = nodes.ConditioningSetMask().append(prompt(), right_half, "mask bounds", 1.0)[0]
    for positive in (area, bounds):
        with pytest.raises(
            AttentionError, match=r"rectangle only .* use Conditioning \(Set Mask\) with set_cond_area at 'default'\.$"
        ):
            sample(capture()[0], positive)


def test_what_is_advised_instead_of_a_rectangle_works(capture, prompt, sample, right_half):
    import nodes

    model, maps = capture()
    sample(model, nodes.ConditioningSetMask().append(prompt(), right_half, "default", 1.0)[0])
    assert maps.read(0, STYLE).values.shape == (2, 3, 1, 4, 6)


def test_a_rectangle_of_the_negative_is_its_own_affair(capture, prompt, plain, sample):
    import nodes

    negative = nodes.ConditioningSetArea().append(plain("blurry"), 32, 32, 0, 0, 1.0)[0]
    model, maps = capture()
    sample(model, prompt(), negative, cfg=2.0)
    assert maps.read(0, STYLE).values.shape == (2, 3, 1, 4, 6)


def tiled(model, width: int, stacked: bool):
    """A clone whose latents [1, C, 8, 12] are sampled in tiles of that width, one by one or as a batch."""

    def wrapper(apply_model, arguments):
        tiles, timestep, c = arguments["input"].split(width, dim=3), arguments["timestep"], arguments["c"]
        if stacked:
            each = {name: value.repeat(len(tiles), *[1] * (value.ndim - 1)) for name, value in c.items()
                    if isinstance(value, Tensor)}  # fmt: skip
            return torch.cat(
                apply_model(torch.cat(tiles), timestep.repeat(len(tiles)), **c | each).chunk(len(tiles)), 3
            )
        return torch.cat([apply_model(tile, timestep, **c) for tile in tiles], dim=3)

    clone = model.clone()
    clone.set_model_unet_function_wrapper(wrapper)
    return clone


@pytest.mark.parametrize(("width", "stacked"), [(6, False), (6, True), (8, False)])
def test_latents_that_are_sampled_in_tiles_are_refused(flux, capture, prompt, sample, width, stacked):
    sample(tiled(flux, width, stacked), prompt())  # as a node of that kind does
    with pytest.raises(AttentionError, match=rf"gets {width} x 8 of the latent's 12 x 8 .* without the tiling node"):
        sample(capture(tiled(flux, width, stacked))[0], prompt())


def test_a_single_tile_is_the_whole(flux, capture, prompt, sample):
    model, maps = capture(tiled(flux, 12, False))
    sample(model, prompt())
    assert maps.read(0, STYLE).values.shape == (2, 3, 1, 4, 6)


def test_a_batch_that_another_node_parts_is_refused(flux, capture, prompt, sample):
    def one_by_one(apply_model, arguments):
        pictures = zip(arguments["input"].split(1), arguments["timestep"].split(1), strict=True)
        c = {name: value[:1] if isinstance(value, Tensor) else value for name, value in arguments["c"].items()}
        return torch.cat([apply_model(picture, timestep, **c) for picture, timestep in pictures])

    parted = flux.clone()
    parted.set_model_unet_function_wrapper(one_by_one)
    positive = prompt() + prompt("make the owl in pixel-art style")
    with pytest.raises(AttentionError, match="gets 1 latents for 2 conditionings"):
        sample(capture(parted)[0], positive)


def test_a_shortened_text_is_refused(capture, prompt, sample):
    short = [[text[:, :3], options] for text, options in prompt()]
    with pytest.raises(AttentionError, match="the model gets 3 only"):
        sample(capture()[0], short)


def test_steps_that_never_come_are_refused(capture, prompt, sample):
    with pytest.raises(AttentionError, match=r"steps from 30 on .* sampler does 2"):
        sample(capture(steps=frozenset({30}))[0], prompt())


def test_another_family_is_refused(parts):
    from styleroute.nodes.attention_capture import block_counts

    with pytest.raises(StyleExpertError, match=r"The model is SD15 .* nodes work with FLUX.1 Kontext only"):
        block_counts(parts.random_model("SD15", parts.SD15))
