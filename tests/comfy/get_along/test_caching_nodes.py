"""ComfyUI's caching nodes EasyCache and LazyCache reuse earlier steps, before or after a style."""

import pytest
import torch

STEPS = 8


@pytest.fixture(params=["EasyCache", "LazyCache"])
def cached(request, parts):
    """Adds a caching node. A high threshold makes it skip steps."""
    from comfy_extras import nodes_easycache

    node = getattr(nodes_easycache, f"{request.param}Node")
    return lambda model, threshold=1.0: node.execute(model, threshold, 0.1, 0.95, False).result[0]


@pytest.fixture
def calls(flux):
    """A list that grows with each call of the network."""
    found = []
    handle = flux.model.diffusion_model.img_in.register_forward_hook(lambda *_: found.append(1))
    yield found
    handle.remove()


@pytest.mark.parametrize("is_cached_first", [True, False], ids=["cache first", "style first"])
def test_steps_are_skipped_and_the_style_stays(flux, add_style, cached, calls, method, is_cached_first, prompt, sample):
    styled = add_style(cached(flux), method) if is_cached_first else cached(add_style(method=method))
    found = sample(styled, prompt(), steps=STEPS)
    assert len(calls) < STEPS
    without = sample(cached(flux), prompt(), steps=STEPS)
    assert not torch.allclose(found, without, atol=1e-2)


def test_both_methods_give_the_same_image(add_style, cached, prompt, sample):
    patch, branch = (sample(cached(add_style(method=method)), prompt(), steps=STEPS) for method in ("patch", "branch"))
    torch.testing.assert_close(branch, patch, rtol=1e-3, atol=1e-3)


def test_a_threshold_of_zero_changes_nothing(add_style, cached, method, prompt, sample):
    styled = add_style(method=method)
    torch.testing.assert_close(sample(cached(styled, 0.0), prompt()), sample(styled, prompt()), rtol=1e-4, atol=1e-4)


def test_an_object_is_found_although_steps_are_skipped(add_style, cached, calls, prompt, sample):
    styled = add_style(object="the guitar")
    found = sample(cached(styled), prompt(), steps=STEPS)
    assert len(calls) < STEPS
    assert found.isfinite().all()
    assert not torch.allclose(found, sample(cached(add_style(strength=0)), prompt(), steps=STEPS), atol=1e-3)
