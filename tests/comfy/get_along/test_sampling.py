"""Batches, guidance, references, sizes, split schedules and second passes: both methods give the same image."""

from functools import partial

import pytest
import torch

CLOSE = {"rtol": 1e-4, "atol": 1e-4}


@pytest.fixture
def both(flux, add_style):
    """Runs a function of a MODEL with both methods, requires the same result, and returns it."""

    def run(work, **settings):
        patch, branch = (work(add_style(method=method, **settings)) for method in ("patch", "branch"))
        torch.testing.assert_close(branch, patch, **CLOSE)
        assert patch.isfinite().all()
        assert not torch.allclose(patch, work(flux), atol=1e-3)
        return patch

    return run


@pytest.fixture
def references(plain):
    """A prompt with random reference latents of these (height, width)."""

    def refer(conditioning, *sizes, method="index"):
        found = [torch.randn(1, 16, *size, generator=torch.Generator().manual_seed(index))
                 for index, size in enumerate(sizes)]  # fmt: skip
        added = {"reference_latents": found, "reference_latents_method": method}
        return [[text, {**options, **added}] for text, options in conditioning]

    return refer


def test_a_batch_of_four_with_guidance(both, add_style, prompt, plain, sample, halves):
    latent = {"samples": torch.zeros(4, 16, 8, 12)}
    run = partial(sample, positive=prompt(), negative=plain("blurry"), latent=latent, cfg=3.0)
    found = both(run)
    assert len({image.sum().item() for image in found}) == 4
    masked = run(add_style(mask=halves[0]))
    alone = sample(add_style(mask=halves[0]), prompt(), plain("blurry"), cfg=3.0)
    torch.testing.assert_close(masked[:1], alone, **CLOSE)


@pytest.mark.parametrize("method", ["index", "offset"])
def test_references_of_different_sizes(both, add_style, prompt, references, sample, halves, method):
    positive = references(prompt(), (8, 12), (16, 6), (7, 11), method=method)
    both(partial(sample, positive=positive))
    both(partial(sample, positive=positive), mask=None)
    assert sample(add_style(mask=halves[0]), positive).isfinite().all()


def test_prompts_with_and_without_a_reference(both, prompt, references, plain, sample):
    both(partial(sample, positive=references(prompt(), (8, 12)), negative=plain("blurry"), cfg=3.0))


@pytest.mark.parametrize(("height", "width"), [(9, 12), (8, 13), (7, 11), (2, 3)])
def test_odd_latents(both, add_style, flux, prompt, sample, height, width):
    latent = {"samples": torch.zeros(1, 16, height, width)}
    run = partial(sample, positive=prompt(), latent=latent)
    both(run)
    left = torch.zeros(1, 8 * height, 8 * width)
    left[..., : 4 * width] = 1
    halved = run(add_style(mask=left))
    assert halved.shape == latent["samples"].shape
    assert not torch.allclose(halved, run(flux), atol=1e-3)


def custom_sample(model, positive, sigmas, latent, is_first=True):
    """SamplerCustomAdvanced with BasicGuider."""
    from comfy_extras import nodes_custom_sampler as custom

    noise = custom.RandomNoise.execute(3).result[0] if is_first else custom.DisableNoise.execute().result[0]
    guider = custom.BasicGuider.execute(model, positive).result[0]
    sampler = custom.KSamplerSelect.execute("euler").result[0]
    return custom.SamplerCustomAdvanced.execute(noise, guider, sampler, sigmas, latent).result[0]


@pytest.mark.parametrize(
    ("method", "settings"),
    [("patch", {}), ("branch", {}), ("branch", {"end_percent": 0.5}), ("branch", {"start_percent": 0.3})],
)
def test_split_sigmas_equal_one_run(add_style, flux, prompt, method, settings):
    from comfy_extras import nodes_custom_sampler as custom

    styled, latent = add_style(method=method, **settings), {"samples": torch.zeros(1, 16, 8, 12)}
    sigmas = custom.BasicScheduler.execute(flux, "simple", 4, 1.0).result[0]
    whole = custom_sample(styled, prompt(), sigmas, latent)["samples"]
    high, low = custom.SplitSigmas.execute(sigmas, 2).result
    first = custom_sample(styled, prompt(), high, latent)
    second = custom_sample(styled, prompt(), low, first, is_first=False)["samples"]
    torch.testing.assert_close(second, whole, rtol=1e-3, atol=1e-3)
    # Two styles, one for each part of the schedule.
    other = custom_sample(add_style(seed=1, method=method), prompt(), low, first, is_first=False)["samples"]
    assert not torch.allclose(other, whole, atol=1e-3)


def test_differential_diffusion_keeps_what_its_mask_keeps(both, add_style, prompt, sample, halves):
    from comfy_extras.nodes_differential_diffusion import DifferentialDiffusion

    image = torch.randn(1, 16, 8, 12, generator=torch.Generator().manual_seed(4))
    latent = {"samples": image, "noise_mask": halves[0]}
    execute = getattr(DifferentialDiffusion, "execute", None) or DifferentialDiffusion().apply

    def run(model):
        (changed,) = execute(model).result
        return sample(changed, prompt(), latent=latent, steps=4)

    found = both(run)
    torch.testing.assert_close(found[..., 6:], image[..., 6:], rtol=1e-3, atol=1e-3)
    assert run(add_style(mask=halves[0])).isfinite().all()


def test_a_second_pass_at_a_higher_resolution(both, add_style, prompt, sample, halves):
    import nodes

    def run(model):
        first = sample(model, prompt())
        (large,) = nodes.LatentUpscaleBy().upscale({"samples": first}, "bilinear", 1.5)
        return sample(model, prompt(), latent=large, denoise=0.5)

    assert both(run).shape == (1, 16, 12, 18)
    masked = run(add_style(mask=halves[0]))
    assert masked.shape == (1, 16, 12, 18)
    assert run(add_style(object="the guitar")).isfinite().all()


@pytest.mark.parametrize("sampler", ["heun", "dpmpp_2m", "euler_ancestral", "uni_pc", "res_multistep"])
def test_other_samplers(both, prompt, sample, sampler):
    both(partial(sample, positive=prompt(), sampler=sampler))
