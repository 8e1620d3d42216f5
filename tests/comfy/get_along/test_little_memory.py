"""Cards with little memory: ComfyUI keeps a part of the weights off the card, moves them, or pages them."""

import pytest
import torch

EXACT = {"rtol": 1e-4, "atol": 1e-4}


@pytest.fixture(params=["--lowvram", "--novram"])
def little_memory(request, parts, flux, monkeypatch):
    """ComfyUI's loading as on such a card. On a CPU the options alone change nothing, so the budget is given here.

    `--novram` keeps all weights off the card; `--lowvram` keeps about half of them on it.
    """
    from comfy.model_management import LoadedModel

    model_load = LoadedModel.model_load
    budget = {"--lowvram": flux.model_size() // 2, "--novram": 0.1}[request.param]

    def load(self, lowvram_model_memory=0, force_patch_weights=False):
        return model_load(self, budget, force_patch_weights)

    monkeypatch.setattr(LoadedModel, "model_load", load)
    return flux


@pytest.mark.parametrize("settings", [{}, {"seed": 1}, {"place": "mask"}, {"place": "object"}])
def test_the_image_is_the_same_as_with_enough_memory(
    request, flux, add_style, method, prompt, sample, halves, settings, untouched
):
    places = {"mask": {"mask": halves[0]}, "object": {"object": "the guitar"}, None: {}}
    place = places[settings.get("place")]
    if place and method == "patch":
        method = "auto"
    styled = add_style(method=method, seed=settings.get("seed", 0), **place)
    expected, base = sample(styled, prompt()), sample(flux, prompt())
    request.getfixturevalue("little_memory")
    untouched()
    torch.testing.assert_close(sample(styled, prompt()), expected, **EXACT)
    assert flux.model.model_lowvram
    untouched()
    assert torch.equal(sample(flux, prompt()), base)


def test_weights_that_leave_the_card_between_two_runs(flux, add_style, method, prompt, sample, untouched):
    import comfy.model_management

    styled = add_style(method=method)
    expected = sample(styled, prompt())
    for loaded in list(comfy.model_management.current_loaded_models):
        loaded.model.partially_unload(torch.device("cpu"), 2**30)
        torch.testing.assert_close(sample(styled, prompt()), expected, **EXACT)
    comfy.model_management.unload_all_models()
    torch.testing.assert_close(sample(styled, prompt()), expected, **EXACT)
    untouched()


@pytest.fixture
def paged(parts, flux, monkeypatch):
    """The small Flux in the patcher of newer ComfyUI that pages weights in when a layer needs them.

    That patcher needs a graphics card, and gives way to the plain one on a CPU. Here it stays, so that its own loading
    and its own way to add patches are tested; only the pages themselves need a card.
    """
    import comfy.model_patcher

    dynamic = getattr(comfy.model_patcher, "ModelPatcherDynamic", None)
    if dynamic is None:
        pytest.skip("This ComfyUI has no dynamic memory.")
    monkeypatch.setattr(dynamic, "__new__", lambda cls, *_, **__: object.__new__(cls))
    monkeypatch.setattr(comfy.model_patcher, "CoreModelPatcher", dynamic)
    return dynamic(flux.model, load_device=flux.load_device, offload_device=flux.offload_device)


def test_dynamic_memory(flux, paged, add_style, method, prompt, sample):
    from styleroute.nodes.branch.branched_model import KEY

    expected, base = sample(add_style(method=method), prompt()), sample(flux, prompt())
    styled = add_style(paged, method)
    torch.testing.assert_close(sample(styled, prompt()), expected, **EXACT)
    assert styled.is_dynamic()
    assert all(patcher.is_dynamic() for patcher in styled.get_additional_models_with_key(KEY))
    torch.testing.assert_close(sample(paged, prompt()), base, **EXACT)
