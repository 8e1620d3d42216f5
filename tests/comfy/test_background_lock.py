"""The background lock: exact outside the region, free inside, and a soft edge between."""

import pytest
import torch
from styleroute.attention import AttentionError

LATENT = torch.zeros(1, 16, 16, 24)


@pytest.fixture
def lock_sample(flux, sample):
    """Samples with a lock on given maps instead of the model's: (latent, maps)."""
    from styleroute.nodes.maps.recorded_maps import RecordedMaps
    from styleroute.nodes.maps.region_spans import RegionSpan
    from styleroute.nodes.regions.background_lock import lock_reference, with_background_lock

    def lock(positive, strength, low=0.01, high=1.0):
        maps = RecordedMaps()
        maps.size = (16, 24)
        cells = torch.full((8, 12), low)
        cells[:4, :5] = high
        maps.add(0, RegionSpan("mosaic", "style", (1,)), 0, "double 0", cells)
        return with_background_lock(flux, maps, "style", lock_reference(positive, LATENT), strength), maps

    def run(positive, strength, clones=0, low=0.01, high=1.0, **settings):
        model, maps = lock(positive, strength, low, high)
        for _ in range(clones):
            model = model.clone()
        return sample(model, positive, latent={"samples": LATENT}, **settings), maps

    run.model = lock
    return run


@pytest.fixture
def positive(prompt, with_reference):
    return with_reference(prompt(), 16, 24)


def reference_of(positive):
    return positive[0][1]["reference_latents"][0]


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "heun", "euler_ancestral"])
def test_outside_equals_the_reference_and_inside_is_free(lock_sample, flux, sample, positive, sampler):
    from styleroute.nodes.maps.region_mask import region_mask

    held, maps = lock_sample(positive, 1.0, steps=6, sampler=sampler)
    mask = region_mask(maps, "style", (16, 24))[0]
    outside, inside = mask < 1e-3, mask > 0.95
    assert outside.sum() > 50
    assert inside.any()
    difference = (held - reference_of(positive)).abs().amax(1)[0]
    assert difference[outside].max() < 0.02
    assert difference[inside].mean() > 0.2


@pytest.mark.parametrize("high", [0.020, 0.018])
def test_inside_is_free_at_any_contrast(lock_sample, flux, sample, positive, high):
    """One Euler step ends at x0 itself. The map is 0.015 outside."""
    from styleroute.nodes.maps.region_mask import region_mask

    free = sample(flux, positive, latent={"samples": LATENT}, steps=1)
    sure, maps = lock_sample(positive, 1.0, steps=1)
    inside = region_mask(maps, "style", (16, 24))[0] > 0.95
    unsure, maps = lock_sample(positive, 1.0, steps=1, low=0.015, high=high)
    assert region_mask(maps, "style", (16, 24)).max() < 0.3
    torch.testing.assert_close(unsure, sure, rtol=1e-4, atol=1e-4)
    assert (unsure - free).abs().amax(1)[0][inside].max() < 0.1 * (reference_of(positive) - free).abs().max()


@pytest.mark.parametrize("high", [0.0151, 0.015])
def test_a_nearly_uniform_map_keeps_the_whole_image(lock_sample, positive, high):
    held, _ = lock_sample(positive, 1.0, steps=1, low=0.015, high=high)
    away = (held - reference_of(positive)).abs().max()
    assert away < (0.15 * (lock_sample(positive, 0.0, steps=1)[0] - reference_of(positive)).abs().max())


def test_a_lock_of_half_the_strength_goes_half_the_way(lock_sample, flux, sample, positive):
    """One Euler step ends at x0 itself."""
    from styleroute.nodes.maps.region_mask import region_mask

    free = sample(flux, positive, latent={"samples": LATENT}, steps=1)
    held, maps = lock_sample(positive, 0.5, steps=1)
    weight = 0.5 * (1 - region_mask(maps, "style", (16, 24)))[:, None]
    torch.testing.assert_close(held, free + weight * (reference_of(positive) - free), rtol=1e-4, atol=1e-4)


def test_strength_zero_changes_nothing(lock_sample, flux, sample, positive):
    held, _ = lock_sample(positive, 0.0)
    torch.testing.assert_close(held, sample(flux, positive, latent={"samples": LATENT}), rtol=0, atol=1e-6)


def test_the_edge_is_a_ramp(lock_sample, positive):
    """The mask changes little from one latent (8 pixels) to the next, so no seam is visible."""
    from styleroute.nodes.maps.region_mask import region_mask

    _, maps = lock_sample(positive, 1.0, steps=1)
    mask = region_mask(maps, "style", (16, 24))[0]
    assert mask.diff(dim=0).abs().max() < 0.35
    assert mask.diff(dim=1).abs().max() < 0.35
    fine = region_mask(maps, "style", (128, 192))[0]
    assert fine.diff(dim=0).abs().max() < 0.05


def test_clones_of_a_locked_model_see_the_same_maps(lock_sample, positive):
    assert torch.equal(lock_sample(positive, 1.0)[0], lock_sample(positive, 1.0, clones=2)[0])


def test_cfg_is_applied_before_the_lock(lock_sample, positive, plain):
    from styleroute.nodes.maps.region_mask import region_mask

    held, maps = lock_sample(positive, 1.0, negative=plain("blurry"), cfg=3.0, steps=6)
    outside = region_mask(maps, "style", (16, 24))[0] < 1e-3
    assert (held - reference_of(positive)).abs().amax(1)[0][outside].max() < 0.02


@pytest.mark.parametrize("region", ["style", "object", "both"])
def test_the_sampler_uses_the_chosen_strength_and_region(region_sample, prompt, with_reference, region):
    """One Euler step ends at x0 itself."""
    from styleroute.nodes.maps.region_mask import unscaled_region_mask

    positive, latent = with_reference(prompt(), 16, 24), {"samples": LATENT}
    free = region_sample(positive, latent=latent, steps=1)[0]["samples"]
    held, maps, _ = region_sample(positive, latent=latent, steps=1, background_lock=0.3, region=region)
    shapes = {name: unscaled_region_mask(maps, name, (16, 24)) for name in ("style", "object", "both")}
    weight = 0.3 * (1 - shapes.pop(region))[:, None]
    assert all((weight - 0.3 * (1 - other)[:, None]).abs().max() > 0.01 for other in shapes.values())
    torch.testing.assert_close(held["samples"], free + weight * (reference_of(positive) - free), rtol=1e-3, atol=1e-3)


def test_each_image_of_a_batch_has_its_own_lock(region_sample, prompt, with_reference):
    positive = with_reference(prompt(), 16, 24)
    settings = {"steps": 2, "region": "both", "background_lock": 1.0}
    out, _, mask = region_sample(positive, latent={"samples": LATENT.expand(3, -1, -1, -1)}, **settings)
    assert mask.shape == (3, 128, 192)
    for number in range(3):
        single = {"samples": LATENT, "batch_index": [number]}
        alone, _, own = region_sample(positive, latent=single, **settings)
        torch.testing.assert_close(out["samples"][number], alone["samples"][0], rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(mask[number], own[0], rtol=1e-3, atol=1e-3)
    assert (mask[0] - mask[1]).abs().max() > 0.01


def test_an_empty_latent_image_of_four_channels_works(flux, prompt, with_reference):
    from styleroute.nodes.regions.region_sampler import RegionRouteSampler

    import nodes

    (empty,) = nodes.EmptyLatentImage().generate(192, 128)
    assert empty["samples"].shape[1] == 4
    settings = {"seed": 1, "steps": 2, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}
    region = {"region_expert": "none", "expert_strength": 1.0, "region": "style", "heat_preview": False}
    four, sixteen = (
        RegionRouteSampler.execute(
            flux, with_reference(prompt(), 16, 24), latent, background_lock=1.0, **region, **settings
        ).result[0]["samples"]
        for latent in (empty, {"samples": LATENT})
    )
    assert torch.equal(four, sixteen)


def test_a_missing_reference_is_refused(prompt):
    from styleroute.nodes.regions.background_lock import lock_reference

    with pytest.raises(AttentionError, match="needs a reference image, but the conditioning has none"):
        lock_reference(prompt(), LATENT)


def test_a_reference_of_another_size_is_refused(prompt, with_reference):
    from styleroute.nodes.regions.background_lock import lock_reference

    with pytest.raises(AttentionError, match="of the latent's size 192 x 128, but the reference has 96 x 64"):
        lock_reference(with_reference(prompt()), LATENT)


def test_the_first_of_two_references_is_taken(prompt, with_reference):
    from styleroute.nodes.regions.background_lock import lock_reference

    small, fitting = with_reference(prompt()), with_reference(prompt(), 16, 24)
    both = [reference_of(fitting), reference_of(small)]
    positive = [[text, {**options, "reference_latents": both}] for text, options in prompt()]
    assert lock_reference(positive, LATENT) is both[0]


def test_the_second_reference_is_never_taken(prompt, with_reference):
    from styleroute.nodes.regions.background_lock import lock_reference

    both = [reference_of(with_reference(prompt())), reference_of(with_reference(prompt(), 16, 24))]
    positive = [[text, {**options, "reference_latents": both}] for text, options in prompt()]
    with pytest.raises(AttentionError, match="needs a reference of the latent's size"):
        lock_reference(positive, LATENT)


def test_another_number_of_references_is_refused(prompt):
    from styleroute.nodes.regions.background_lock import lock_reference

    positive = [[text, {**options, "reference_latents": [LATENT.expand(2, -1, -1, -1)]}] for text, options in prompt()]
    with pytest.raises(AttentionError, match="has 2 images, but the latent has 3"):
        lock_reference(positive, LATENT.expand(3, -1, -1, -1))


@pytest.mark.parametrize("max_sigma", [0.0, 0.5, 2.0])
def test_the_result_is_exact_for_any_start_of_the_lock(lock_sample, positive, monkeypatch, max_sigma):
    from styleroute.nodes.maps.region_mask import region_mask
    from styleroute.nodes.regions import background_lock

    monkeypatch.setattr(background_lock, "MAX_SIGMA", max_sigma)
    held, maps = lock_sample(positive, 1.0, steps=6)
    outside = region_mask(maps, "style", (16, 24))[0] < 1e-3
    assert (held - reference_of(positive)).abs().amax(1)[0][outside].max() < 0.02


def test_steps_of_high_noise_are_free(lock_sample, flux, positive):
    import comfy.sample

    seen = {}

    def watch(name):
        def note(step, x0, x, total):
            seen[name, step] = x0.clone()

        return note

    def run(name, model):
        noise = comfy.sample.prepare_noise(LATENT, 7)
        settings = {"cfg": 1.0, "sampler_name": "euler", "scheduler": "simple"}
        comfy.sample.sample(
            model, noise, 4, **settings, positive=positive, negative=positive, latent_image=LATENT, callback=watch(name)
        )

    run("free", flux)
    run("locked", lock_sample.model(positive, 1.0)[0])
    assert torch.equal(seen["free", 0], seen["locked", 0])
    assert not torch.allclose(seen["free", 3], seen["locked", 3], atol=0.1)


def test_a_lock_without_any_map_is_refused(flux, region_sample, prompt, with_reference):
    """Another node replaces the blocks, so no map is captured."""
    replaced = flux.clone()
    for kind, count in (("double_block", 1), ("single_block", 2)):
        for index in range(count):
            replaced.set_model_patch_replace(lambda args, extra: args, "dit", kind, index)
    settings = {"model": replaced, "latent": {"samples": LATENT}, "background_lock": 1.0, "steps": 1}
    with pytest.raises(AttentionError, match="The background lock had no effect"):
        region_sample(with_reference(prompt(), 16, 24), **settings)
