"""Cards with little memory: ComfyUI keeps a part of the weights off the card, moves them, or pages them."""

from types import SimpleNamespace

import pytest
import torch

EXACT = {"rtol": 1e-4, "atol": 1e-4}


@pytest.fixture
def limit_memory(parts, flux, monkeypatch):
    """Lets ComfyUI load models as on such a card. On a CPU its options alone change nothing.

    `--novram` keeps all weights off the card; `--lowvram` keeps about half of them on it.
    """
    from comfy.model_management import LoadedModel

    model_load = LoadedModel.model_load
    budgets = {"--lowvram": flux.model_size() // 2, "--novram": 0.1}

    def limit(option: str) -> None:
        monkeypatch.setattr(
            LoadedModel,
            "model_load",
            lambda self, lowvram_model_memory=0, force_patch_weights=False: model_load(
                self, budgets[option], force_patch_weights
            ),
        )

    return limit


@pytest.mark.parametrize(
    ("option", "method", "place"),
    [
        ("--lowvram", "patch", "everywhere"),
        ("--lowvram", "branch", "everywhere"),
        ("--lowvram", "auto", "object"),
        ("--novram", "patch", "everywhere"),
        ("--novram", "auto", "mask"),
    ],
)
def test_the_image_is_the_same_as_with_enough_memory(
    flux, add_style, limit_memory, prompt, sample, halves, option, method, place, untouched
):
    places = {"everywhere": {}, "mask": {"mask": halves[0]}, "object": {"object": "the guitar"}}
    styled = add_style(method=method, **places[place])
    expected, base = sample(styled, prompt()), sample(flux, prompt())
    untouched()
    limit_memory(option)
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
    and its own way to add patches are tested. Only the pages and the pinned buffers, which need a card, are left out.
    """
    import comfy.model_patcher

    dynamic = getattr(comfy.model_patcher, "ModelPatcherDynamic", None)
    if dynamic is None:
        pytest.skip("This ComfyUI has no dynamic memory.")
    buffers = comfy.model_patcher.comfy_aimdo.host_buffer
    monkeypatch.setattr(buffers, "HostBuffer", lambda *_: SimpleNamespace(size=0))
    monkeypatch.setattr(dynamic, "__new__", lambda cls, *_, **__: object.__new__(cls))
    monkeypatch.setattr(comfy.model_patcher, "CoreModelPatcher", dynamic)
    return dynamic(flux.model, load_device=flux.load_device, offload_device=flux.offload_device)


def test_a_branch_in_dynamic_memory(flux, paged, add_style, prompt, sample, halves):
    from styleroute.nodes.branch.branched_model import KEY

    for place in ({}, {"mask": halves[0]}, {"object": "the guitar"}):
        styled = add_style(paged, **place)
        torch.testing.assert_close(sample(styled, prompt()), sample(add_style(**place), prompt()), **EXACT)
        assert styled.is_dynamic()
        assert all(patcher.is_dynamic() for patcher in styled.get_additional_models_with_key(KEY))


def test_a_patch_in_dynamic_memory(flux, paged, add_style):
    """Each weight, as the paging patcher computes it from pairs that it has copied into a buffer."""
    from comfy.lora import calculate_weight
    from comfy.model_patcher import LowVramPatch

    styled, weights = add_style(paged, "patch"), flux.model.state_dict()
    assert styled.patches
    for key, patches in styled.patches.items():
        page = LowVramPatch(key, styled.patches)
        buffer = torch.empty(page.memory_required(), dtype=torch.uint8)
        page.prepare(buffer, None, copy=True, commit=True)
        expected = calculate_weight(patches, weights[key].clone(), key)
        torch.testing.assert_close(page(weights[key].clone()), expected)
