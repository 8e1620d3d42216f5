"""The run-time branch equals the patch, keeps to its place and its time, and leaves the model as it was."""

import pytest
import torch

ALL_BLOCKS = frozenset({("double", 0), ("single", 0), ("single", 1)})
"""All blocks of the small Flux."""


@pytest.fixture
def branched(parts, style_expert, flux):
    """Adds experts to the small Flux as a branch: (model, pairs)."""
    from styleroute.nodes.branch.branched_model import branch_layers, branched
    from styleroute.nodes.branch.style_branch import StyleBranch
    from styleroute.nodes.model_patching import patch_keys

    def make(model=None, seed=0, strength=1.0, blocks=ALL_BLOCKS, **settings):
        model = model or flux
        style = torch.randn(1, 32, generator=torch.Generator().manual_seed(seed))
        pairs = style_expert.collapse(style)
        layers = branch_layers(model, patch_keys(model, style_expert), pairs)
        return branched(model, StyleBranch("styles", (layers,), strength, **settings), blocks), pairs

    return make


@pytest.fixture
def place(parts):
    from styleroute.nodes.branch.places import Place

    return Place


def patched_with(flux, style_expert, pairs, strength=1.0):
    from styleroute.nodes.model_patching import patch_keys, patched

    return patched(flux, patch_keys(flux, style_expert), pairs, strength)


@pytest.mark.parametrize("strength", [1.0, -0.7])
def test_the_branch_equals_the_patch(flux, branched, style_expert, prompt, with_reference, sample, strength):
    positive = with_reference(prompt())
    model, pairs = branched(strength=strength)
    expected = sample(patched_with(flux, style_expert, pairs, strength), positive)
    assert not torch.allclose(sample(flux, positive), expected, atol=1e-2)
    torch.testing.assert_close(sample(model, positive), expected, rtol=1e-4, atol=1e-4)


def test_a_full_mask_equals_the_patch(flux, branched, style_expert, prompt, with_reference, sample, place):
    positive = with_reference(prompt(), 10, 6)
    model, pairs = branched(place=place(torch.ones(1, 64, 96)))
    expected = sample(patched_with(flux, style_expert, pairs), positive)
    torch.testing.assert_close(sample(model, positive), expected, rtol=1e-4, atol=1e-4)


def test_an_empty_mask_changes_nothing(flux, branched, prompt, sample, place):
    model, _ = branched(place=place(torch.zeros(1, 64, 96)))
    assert torch.equal(sample(model, prompt()), sample(flux, prompt()))


def halves(soft: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Masks [1, 64, 96] of the left and of the right half."""
    left = torch.zeros(1, 64, 96)
    left[..., :48] = 1
    return left, 1 - left


def layer_outputs(model, positive, sample, key="double_blocks.0.img_attn.qkv"):
    """The outputs of the first block's layer in the first call: attention has not mixed any tokens yet."""
    found = []
    layer = model.model.diffusion_model.get_submodule(key)
    handle = layer.register_forward_hook(lambda module, inputs, output: found.append(output))
    try:
        sample(model, positive, steps=1)
    finally:
        handle.remove()
    return found[0]


def test_two_styles_keep_to_their_halves(flux, branched, prompt, sample, place):
    left, right = halves()
    one, _ = branched(seed=1, place=place(left))
    both, _ = branched(one, seed=2, place=place(right))
    two, _ = branched(seed=2, place=place(right))
    outputs = {name: layer_outputs(model, prompt(), sample).unflatten(1, (4, 6)) for name, model in
               {"base": flux, "one": one, "two": two, "both": both}.items()}  # fmt: skip
    # The hook of the test runs before the branch's own hooks, so read the change through the next layer's input.
    assert outputs["both"].shape[:3] == (1, 4, 6)
    torch.testing.assert_close(outputs["both"][:, :, :3], outputs["one"][:, :, :3], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(outputs["both"][:, :, 3:], outputs["two"][:, :, 3:], rtol=1e-4, atol=1e-4)
    assert torch.equal(outputs["one"][:, :, 3:], outputs["base"][:, :, 3:])
    assert not torch.allclose(outputs["one"][:, :, :3], outputs["base"][:, :, :3], atol=1e-3)


def test_a_style_acts_in_its_part_of_the_steps(flux, branched, prompt, sample):
    from styleroute.nodes.branch.style_branch import Schedule

    model, _ = branched()
    early, _ = branched(schedule=Schedule(0.0, 0.5))
    # As a reference, the first two of four steps with the style, and the others without it.
    first = sample(model, prompt(), steps=4, last_step=2)
    expected = sample(flux, prompt(), latent={"samples": first}, steps=4, start_step=2, disable_noise=True)
    torch.testing.assert_close(sample(early, prompt(), steps=4), expected, rtol=1e-4, atol=1e-4)
    never, _ = branched(schedule=Schedule(0.0, 0.0))
    assert torch.equal(sample(never, prompt()), sample(flux, prompt()))


def test_each_image_has_its_own_mask(branched, prompt, sample, place):
    masks = torch.cat(halves())
    latent = {"samples": torch.zeros(2, 16, 8, 12)}
    both, _ = branched(place=place(masks))
    found = sample(both, prompt(), latent=latent, cfg=2.0)
    for index, mask in enumerate(masks):
        alone, _ = branched(place=place(mask[None]))
        expected = sample(alone, prompt(), latent=latent, cfg=2.0)
        torch.testing.assert_close(found[index], expected[index], rtol=1e-4, atol=1e-4)


def test_the_number_of_masks_must_fit(branched, prompt, sample, place):
    from styleroute.attention import AttentionError

    model, _ = branched(place=place(torch.ones(3, 64, 96)))
    with pytest.raises(AttentionError, match="Found 3 masks for 1 images"):
        sample(model, prompt())


def hooks_of(model) -> int:
    return sum(len(module._forward_hooks) for module in model.model.modules())


@pytest.mark.parametrize("failing", ["single_blocks.1.linear2", "double_blocks.0.img_attn.qkv"])
def test_no_hook_survives_an_exception(flux, branched, prompt, sample, failing):
    before = sample(flux, prompt())
    model, _ = branched()
    layer = flux.model.diffusion_model.get_submodule(failing)
    handle = layer.register_forward_hook(lambda *_: (_ for _ in ()).throw(RuntimeError("stop")))
    with pytest.raises(RuntimeError, match="stop"):
        sample(model, prompt())
    handle.remove()
    assert hooks_of(model) == 0
    assert torch.equal(sample(flux, prompt()), before)


def test_comfyui_loads_the_weights_of_the_branches(branched, prompt, sample):
    import comfy.model_management

    one, _ = branched(seed=1)
    both, _ = branched(one, seed=2)
    sample(both, prompt())
    loaded = [entry.model.model for entry in comfy.model_management.current_loaded_models]
    patchers = both.get_nested_additional_models()
    assert len(patchers) == 2
    assert all(any(patcher.model is model for model in loaded) for patcher in patchers)
    weights = sum(tensor.nbytes for tensor in patchers[0].model.state_dict().values())
    assert patchers[0].model_size() == weights > 0


def test_branches_of_two_graphs_are_independent(flux, branched, prompt, sample):
    one, _ = branched(seed=1)
    alone = sample(one, prompt())
    two, _ = branched(seed=2)
    chained, _ = branched(one, seed=2)
    assert not torch.equal(sample(two, prompt()), alone)
    assert not torch.equal(sample(chained, prompt()), alone)
    assert torch.equal(sample(one, prompt()), alone)


def the_object(phrase: str, **settings):
    from styleroute.nodes.branch.named_objects import ObjectPhrase
    from styleroute.nodes.branch.places import Place

    return Place(object=ObjectPhrase(phrase, **settings))


def test_an_object_phrase_is_the_mask_of_its_map(flux, branched, capture, prompt, sample, place):
    from styleroute.attention.phrase_masks import phrase_masks

    named, _ = branched(place=the_object("the guitar"))
    found = sample(named, prompt(), steps=2)
    # As a reference: the first step without the style, and the second with the mask of the map of the first step.
    recorder, maps = capture()
    first = sample(recorder, prompt(), steps=2, last_step=1)
    mask = phrase_masks(maps.mean(0, "object: guitar")[None])
    masked, _ = branched(place=place(mask))
    expected = sample(masked, prompt(), latent={"samples": first}, steps=2, start_step=1, disable_noise=True)
    assert 0 < mask.mean() < 1
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_two_objects_share_the_image(branched, prompt, sample):
    text = "make the guitar in mosaic style and the owl in mosaic style"
    one, _ = branched(seed=1, place=the_object("the guitar"))
    both, _ = branched(one, seed=2, place=the_object("the owl"))
    alone = sample(one, prompt(text))
    assert not torch.equal(sample(both, prompt(text)), alone)
    assert torch.equal(sample(one, prompt(text)), alone)


@pytest.mark.parametrize("where", ["object", "schedule", "black mask"])
def test_a_style_that_is_nowhere_still_acts_on_its_own_style_image(
    flux, branched, prompt, with_reference, sample, place, where
):
    """The base model without experts would copy the style image into the result."""
    from styleroute.nodes.branch.style_branch import Schedule

    settings = {
        "object": {"place": the_object("the guitar")},
        "schedule": {"schedule": Schedule(0.5, 1.0)},
        "black mask": {"place": place(torch.zeros(1, 64, 96))},
    }[where]
    positive = with_reference(prompt())
    for _, options in positive:
        options["reference_latents"] = 2 * options["reference_latents"]
    model, _ = branched(reads_style_image=True, **settings)
    base, styled = (layer_outputs(each, positive, sample).unflatten(1, (3, 24)) for each in (flux, model))
    assert torch.equal(styled[:, :2], base[:, :2])  # the image and the content image
    assert not torch.allclose(styled[:, 2], base[:, 2], atol=1e-3)
    without, _ = branched(**settings)
    assert torch.equal(layer_outputs(without, positive, sample).unflatten(1, (3, 24)), base)


def test_a_held_mask_no_longer_changes(branched, prompt, sample):
    held, _ = branched(place=the_object("the guitar", hold_from=1))
    free, _ = branched(place=the_object("the guitar"))
    assert torch.equal(sample(held, prompt(), steps=2), sample(free, prompt(), steps=2))
    assert not torch.equal(sample(held, prompt(), steps=4), sample(free, prompt(), steps=4))


def test_an_object_needs_a_prompt_that_knows_its_words(branched, plain, prompt, sample):
    from styleroute.attention import AttentionError

    model, _ = branched(place=the_object("a dragon"))
    with pytest.raises(AttentionError, match="Region Style Prompt instead of CLIP Text Encode"):
        sample(model, plain("make the guitar in mosaic style"))
    with pytest.raises(AttentionError, match='"a dragon" is not in the prompt'):
        sample(model, prompt())
