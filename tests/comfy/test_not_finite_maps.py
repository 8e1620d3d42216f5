"""Attention with NaN: one sentence where maps are read, and no preview ends a sampling."""

import logging

import pytest
import torch
from styleroute.attention import AttentionError

BLOCK = "single_blocks.1"


@pytest.fixture
def broken_flux(flux):
    """A model whose last block computes NaN in its attention."""
    layer = flux.model.diffusion_model.get_submodule(BLOCK)
    layer.linear1.weight.data[0, 0] = torch.nan
    return flux


@pytest.fixture
def broken(broken_flux, region_sample, prompt):
    """LATENT, ATTENTION_MAPS and MASK of a run with NaN, and with the heat preview."""
    return region_sample(prompt(), model=broken_flux, heat_preview=True, steps=2)


@pytest.fixture
def broken_maps(broken):
    return broken[1]


def test_the_sampling_ends_and_only_the_mask_is_blocked(broken):
    from comfy_execution.graph_utils import ExecutionBlocker

    latent, maps, mask = broken
    assert latent["samples"].shape == (1, 16, 8, 12)
    assert maps.not_finite == "step 0, single 1"
    assert isinstance(mask, ExecutionBlocker)
    assert "not finite (NaN), first at step 0, single 1. Choose another" in mask.message


@pytest.mark.parametrize("changes", [{}, {"step": "each"}, {"span": "each"}, {"block": "each"}, {"phrase": "guitar"}])
def test_the_preview_node_refuses(broken_maps, parts, changes):
    from styleroute.nodes.maps.attention_map_preview import AttentionMapPreview

    settings = {"span": "style", "step": "mean", "block": "mean", "colour_map": "fire", "opacity": 0.6}
    with pytest.raises(AttentionError, match=r"values that are not finite \(NaN\), first at step 0, single 1"):
        AttentionMapPreview.execute(broken_maps, torch.rand(1, 64, 96, 3), **(settings | changes))


def test_a_later_run_clears_the_maps(broken_maps):
    broken_maps.clear()
    broken_maps.require_finite()


def test_the_background_lock_refuses(broken_flux, region_sample, prompt, with_reference):
    with pytest.raises(AttentionError, match="not finite"):
        region_sample(with_reference(prompt()), model=broken_flux, background_lock=1.0, steps=2)


def test_a_preview_that_fails_is_logged_once_and_the_sampling_goes_on(region_sample, prompt, monkeypatch, caplog):
    from styleroute.nodes.maps import live_preview

    def fail(*_):
        raise RuntimeError("a previewer of another pack failed")

    plain = region_sample(prompt())[0]["samples"]
    monkeypatch.setattr(live_preview, "_preview", fail)
    with caplog.at_level(logging.WARNING):
        latent, _, mask = region_sample(prompt(), heat_preview=True)
    assert torch.equal(latent["samples"], plain)
    assert mask.isfinite().all()
    assert len([record for record in caplog.records if "the sampling goes on" in record.getMessage()]) == 1


def test_an_interrupt_in_the_preview_ends_the_sampling(region_sample, prompt, monkeypatch):
    from comfy.model_management import InterruptProcessingException
    from styleroute.nodes.maps import live_preview

    def interrupt(*_):
        raise InterruptProcessingException

    monkeypatch.setattr(live_preview, "_preview", interrupt)
    with pytest.raises(InterruptProcessingException):
        region_sample(prompt(), heat_preview=True)
