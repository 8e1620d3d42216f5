"""Style Guider: two guidance terms, checked against separate evaluations of stock guiders."""

import pytest
import torch
from styleroute.moe import StyleExpertError

from .conftest import write_style_expert

SIZE = (8, 12)
"""Height and width of the latents."""


def latents(seed: int, height: int = SIZE[0], width: int = SIZE[1]) -> torch.Tensor:
    return torch.randn(1, 16, height, width, generator=torch.Generator().manual_seed(seed))


CONTENT, STYLE, OTHER_STYLE = latents(1), latents(2), latents(3)


@pytest.fixture
def refer(prompt):
    """A prompt with reference latents by the method `index`."""

    def make(*references, text="make the guitar in mosaic style, keep other area unchanged", base=None):
        options = {"reference_latents": list(references), "reference_latents_method": "index", "guidance": 3.5}
        return [[encoded, {**known, **options}] for encoded, known in base or prompt(text)]

    return make


@pytest.fixture
def apply(parts, flux, style_expert, shown_expert, siglip):
    """Applies a style to the small Flux or another model; `shown` takes experts that read the style image."""
    from styleroute.nodes.styles.encode_style import EncodeStyle
    from styleroute.nodes.styles.moe_apply import MoEApply

    def run(model=None, strength=1.0, seed=1, shown=False, **settings):
        expert = shown_expert if shown else style_expert
        image = torch.rand(1, 40, 60, 3, generator=torch.Generator().manual_seed(seed))
        style = EncodeStyle.execute(expert, siglip, image).result[0]
        return MoEApply.execute(model or flux, expert, strength, style, **settings).result[0]

    return run


@pytest.fixture
def guide(parts):
    """The guider of the node."""
    from styleroute.nodes.guidance.style_guider import StyleGuider

    def make(model, positive, content=1.0, style=1.0, **references):
        return StyleGuider.execute(model, positive, content, style, **references).result[0]

    return make


@pytest.fixture
def run(parts):
    """Samples with a guider as SamplerCustomAdvanced does."""
    import comfy.sample
    import comfy.samplers

    def sample(guider, steps=1, images=1, callback=None):
        sampling = guider.model_patcher.get_model_object("model_sampling")
        sigmas = comfy.samplers.calculate_sigmas(sampling, "simple", steps)
        empty = torch.zeros(images, 16, *SIZE)
        noise = comfy.sample.prepare_noise(empty, 7)
        sampler = comfy.samplers.sampler_object("euler")
        return guider.sample(noise, empty, sampler, sigmas, callback=callback, disable_pbar=True, seed=7)

    return sample


@pytest.fixture
def basic(parts):
    """BasicGuider, from ComfyUI's own node."""
    from comfy_extras.nodes_custom_sampler import BasicGuider

    return lambda model, positive: BasicGuider.execute(model, positive).result[0]


@pytest.fixture
def at_index_2():
    """Gives the only reference of a stock prompt the index 2, where experts know the style image."""

    def moved(model):
        def move(tokens):
            ids = tokens["img_ids"].clone()
            ids[..., 0] *= 2
            return {**tokens, "img_ids": ids}

        clone = model.clone()
        clone.set_model_patch(move, "post_input")
        return clone

    return moved


@pytest.fixture
def rows_of(flux):
    """Rows of the model's calls during a run."""

    def measure(action) -> list[int]:
        rows = []
        block = flux.model.diffusion_model.double_blocks[0]
        handle = block.register_forward_pre_hook(
            lambda _, args, kwargs: rows.append(len(kwargs["img"])), with_kwargs=True
        )
        try:
            action()
        finally:
            handle.remove()
        return rows

    return measure


PLACES = {
    "patch": {},
    "branch": {"method": "branch"},
    "mask": {"mask": torch.ones(1, 8, 12).tril()},
    "object": {"object": "the guitar"},
    "first half": {"end_percent": 0.5},
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_neutral_dials_equal_the_basic_guider(apply, refer, guide, basic, run, place):
    model, positive = apply(shown=True, **place), refer(CONTENT, STYLE)
    expected = run(basic(model, positive), steps=2)
    assert torch.equal(run(guide(model, positive), steps=2), expected)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_without_style_the_model_is_unstyled(flux, apply, refer, guide, basic, run, place):
    model = apply(shown=True, **place)
    expected = run(basic(flux, refer(CONTENT)), steps=2)
    found = run(guide(model, refer(CONTENT, STYLE), style=0.0), steps=2)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(run(basic(model, refer(CONTENT, STYLE)), steps=2), expected, atol=1e-2)


@pytest.mark.parametrize(("content", "style"), [(2.0, 1.0), (1.0, 1.7), (1.5, 2.0), (0.6, 0.5), (3.0, 0.0), (1.4, 0.6)])
@pytest.mark.parametrize("method", ["patch", "branch"])
def test_the_result_is_the_sum_of_two_terms(flux, apply, refer, guide, basic, run, at_index_2, method, content, style):
    """One Euler step over the whole schedule returns the prediction of the clean latents."""
    model = apply(shown=True, method=method)
    whole = run(basic(model, refer(CONTENT, STYLE)))
    no_content, no_style = run(basic(at_index_2(model), refer(STYLE))), run(basic(flux, refer(CONTENT)))
    expected = whole + (content - 1) * (whole - no_content) + (style - 1) * (whole - no_style)
    found = run(guide(model, refer(CONTENT, STYLE), content, style))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_several_styles_are_switched_off_together(flux, apply, refer, guide, basic, run):
    one = apply(shown=True)
    both = apply(one, seed=2, shown=True, mask=torch.ones(1, 8, 12).tril())
    positive = refer(CONTENT, STYLE, OTHER_STYLE)
    expected = run(basic(flux, refer(CONTENT)))
    torch.testing.assert_close(run(guide(both, positive, style=0.0)), expected, rtol=1e-4, atol=1e-4)
    whole, no_content = run(basic(both, positive)), run(guide(both, positive, content=0.0))
    expected = whole + 0.5 * (whole - no_content)
    torch.testing.assert_close(run(guide(both, positive, content=1.5)), expected, rtol=1e-4, atol=1e-4)


def test_a_stock_lora_stays_in_the_unstyled_prompt(flux, apply, refer, guide, basic, run):
    def with_lora(model):
        clone, key = model.clone(), "diffusion_model.single_blocks.0.linear2.weight"
        clone.add_patches({key: (torch.randn(128, 640, generator=torch.Generator().manual_seed(4)) * 0.1,)}, 0.5)
        return clone

    expected = run(basic(with_lora(flux), refer(CONTENT)))
    found = run(guide(with_lora(apply()), refer(CONTENT), style=0.0))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(expected, run(basic(flux, refer(CONTENT))), atol=1e-3)


def test_each_image_of_a_batch_keeps_its_mask(apply, refer, guide, run):
    masks = torch.stack([torch.ones(8, 12).tril(), torch.ones(8, 12).triu()])
    found = run(guide(apply(mask=masks), refer(CONTENT), 1.5, 1.5), images=2)
    for index, mask in enumerate(masks):
        expected = run(guide(apply(mask=mask[None]), refer(CONTENT), 1.5, 1.5), images=2)
        torch.testing.assert_close(found[index], expected[index], rtol=1e-4, atol=1e-4)


def test_a_style_for_each_image_is_switched_off(flux, style_expert, siglip, refer, guide, basic, run):
    from styleroute.nodes.styles.encode_style import EncodeStyle
    from styleroute.nodes.styles.moe_apply import MoEApply

    images = torch.rand(2, 40, 60, 3, generator=torch.Generator().manual_seed(1))
    styles = EncodeStyle.execute(style_expert, siglip, images, combine="one style per image").result[0]
    model = MoEApply.execute(flux, style_expert, 1.0, styles).result[0]
    expected = run(basic(flux, refer(CONTENT)), images=2)
    torch.testing.assert_close(run(guide(model, refer(CONTENT), style=0.0), images=2), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("shown", "dials", "rows"),
    [
        (True, (1.0, 1.0), [1]),
        (True, (2.0, 1.0), [1, 1]),
        (True, (1.0, 2.0), [1, 1]),
        (True, (2.0, 2.0), [1, 2]),
        (False, (1.0, 2.0), [2]),
        (False, (2.0, 2.0), [1, 2]),
    ],
)
def test_each_dial_costs_one_evaluation(apply, refer, guide, run, rows_of, shown, dials, rows):
    """Prompts with equally many references share a call of the model."""
    positive = refer(CONTENT, STYLE) if shown else refer(CONTENT)
    guider = guide(apply(shown=shown), positive, *dials)
    assert sorted(rows_of(lambda: run(guider))) == rows


def test_the_references_can_be_connected_to_the_node(apply, refer, prompt, guide, run):
    model, text = apply(shown=True), [[t, {**o, "guidance": 3.5}] for t, o in prompt()]
    expected = run(guide(model, refer(CONTENT, STYLE), 1.5, 1.5))
    both = {"content_reference": {"samples": CONTENT}, "style_reference": {"samples": STYLE}}
    assert torch.equal(run(guide(model, text, 1.5, 1.5, **both)), expected)
    assert torch.equal(run(guide(model, refer(CONTENT), 1.5, 1.5, style_reference=both["style_reference"])), expected)
    assert "reference_latents" not in text[0][1]


def test_the_maps_are_those_of_the_whole_prompt(apply, refer, guide, basic, run, capture):
    model, positive = apply(), refer(CONTENT)
    recorder, maps = capture(model)
    run(basic(recorder, positive))
    expected = maps.mean(0, "object: guitar").clone()
    recorder, maps = capture(model)
    run(guide(recorder, positive, 2.0, 2.0))
    torch.testing.assert_close(maps.mean(0, "object: guitar"), expected, rtol=1e-4, atol=1e-6)


def hooks_of(model) -> int:
    return sum(len(module._forward_hooks) for module in model.model.modules())


def test_nothing_survives_a_run_or_an_interrupt(flux, apply, refer, guide, basic, run):
    import comfy.model_management as management

    before = run(basic(flux, refer(CONTENT)), steps=2)
    guider = guide(apply(shown=True), refer(CONTENT, STYLE), 1.5, 1.5)
    expected = run(guider, steps=2)

    def interrupt(step, *_):
        raise management.InterruptProcessingException

    with pytest.raises(management.InterruptProcessingException):
        run(guider, steps=2, callback=interrupt)
    assert hooks_of(flux) == 0
    assert torch.equal(run(guider, steps=2), expected)
    assert torch.equal(run(basic(flux, refer(CONTENT)), steps=2), before)


def test_nodes_that_change_the_guidance_see_one_negative_prediction(apply, refer, guide, run):
    seen = []
    model = apply(shown=True)
    model.set_model_sampler_post_cfg_function(lambda args: (seen.append(args), args["denoised"])[1])
    expected = run(guide(apply(shown=True), refer(CONTENT, STYLE), 2.0, 1.5))
    assert torch.equal(run(guide(model, refer(CONTENT, STYLE), 2.0, 1.5)), expected)
    (args,) = seen
    assert args["cond_scale"] == 2.5
    mixed = args["uncond_denoised"] + 2.5 * (args["cond_denoised"] - args["uncond_denoised"])
    torch.testing.assert_close(args["denoised"], mixed, rtol=1e-5, atol=1e-5)


def test_each_reference_keeps_its_position(flux, tmp_path, refer, guide, run):
    """Also 64 rows further down, where StyleExpert's release has the style image."""
    from styleroute.moe import StyleExpert
    from styleroute.nodes.styles.moe_apply import MoEApply
    from styleroute.nodes.styles.style_types import Style, encoder_id

    training = {"style_reference": True, "style_rows": 64}
    expert = StyleExpert.open(write_style_expert(tmp_path / "rows.safetensors", training=training))
    style = Style(torch.ones(1, 32), 1, encoder_id(expert.encoder))
    model, found = MoEApply.execute(flux, expert, 1.0, style).result[0], []
    handle = flux.model.diffusion_model.pe_embedder.register_forward_pre_hook(lambda _, args: found.extend(args[0]))
    try:
        run(guide(model, refer(CONTENT, STYLE), 2.0, 2.0))
    finally:
        handle.remove()
    references = [ids[ids[:, 0] > 0] for ids in found]
    corners = sorted([tuple(part[0].tolist()) for part in ids.split(24)] for ids in references)
    assert corners == [[(1, 0, 0)], [(1, 0, 0), (2, 64, 0)], [(2, 64, 0)]]


def test_a_node_that_evaluates_two_prompts_itself_keeps_working(apply, refer, guide, run):
    from comfy_extras.nodes_slg import SkipLayerGuidanceDiTSimple

    model = SkipLayerGuidanceDiTSimple.execute(apply(shown=True), 0.0, 1.0, "", "0").result[0]
    plain = run(guide(apply(shown=True), refer(CONTENT, STYLE), 2.0, 1.5))
    found = run(guide(model, refer(CONTENT, STYLE), 2.0, 1.5))
    assert found.isfinite().all()
    assert not torch.allclose(found, plain, atol=1e-4)


def test_a_dial_without_anything_to_guide_is_refused(flux, apply, refer, prompt, guide, run, basic):
    with pytest.raises(StyleExpertError, match="content is 2, but the prompt has no reference latent of a content"):
        guide(apply(), prompt(), content=2.0)
    with pytest.raises(StyleExpertError, match=r"style is 0\.5, but neither the model nor the prompt has a style"):
        guide(flux, refer(CONTENT), style=0.5)
    with pytest.raises(StyleExpertError, match="content image is connected twice"):
        guide(flux, refer(CONTENT), content_reference={"samples": CONTENT})
    with pytest.raises(StyleExpertError, match=r"'style_reference' has shape \[1, 4, 8, 12\], expected"):
        guide(flux, refer(CONTENT), style_reference={"samples": torch.zeros(1, 4, 8, 12)})
    with pytest.raises(StyleExpertError, match="'content' is"):
        guide(flux, refer(CONTENT), content=float("nan"))
    assert torch.equal(run(guide(flux, prompt())), run(basic(flux, prompt())))


def test_the_base_model_can_guide_a_style_reference(flux, refer, guide, basic, run):
    whole, no_style = run(basic(flux, refer(CONTENT, STYLE))), run(basic(flux, refer(CONTENT)))
    found = run(guide(flux, refer(CONTENT, STYLE), style=1.5))
    torch.testing.assert_close(found, whole + 0.5 * (whole - no_style), rtol=1e-4, atol=1e-4)


def test_the_node_shows_its_cost(shown, apply, refer, guide, monkeypatch):
    from comfy_api.latest import io
    from styleroute.nodes.guidance.style_guider import StyleGuider

    monkeypatch.setattr(StyleGuider, "hidden", io.HiddenHolder.from_dict({io.Hidden.unique_id: "5"}))
    guide(apply(), refer(CONTENT), 2.0, 1.0)
    assert shown[-1] == ("Evaluations per step: 2", "5")


@pytest.mark.parametrize("cache", ["EasyCacheNode", "LazyCacheNode"])
def test_it_works_with_a_cache(apply, refer, guide, run, cache):
    import comfy_extras.nodes_easycache as caches

    positive = refer(CONTENT, STYLE)
    plain = run(guide(apply(shown=True), positive, 2.0, 1.2), steps=6)
    cached = getattr(caches, cache).execute(apply(shown=True), 0.0, 0.1, 0.9, False).result[0]
    torch.testing.assert_close(run(guide(cached, positive, 2.0, 1.2), steps=6), plain, rtol=1e-4, atol=1e-4)
    skipping = getattr(caches, cache).execute(apply(shown=True), 10.0, 0.1, 0.9, False).result[0]
    found = run(guide(skipping, positive, 2.0, 1.2), steps=6)
    assert found.isfinite().all()
    assert not torch.allclose(found, plain, atol=1e-4)
