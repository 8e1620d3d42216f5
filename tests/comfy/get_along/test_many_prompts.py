"""Many prompts in a row that change the style each time: memory stays flat, and each style's image stays the same."""

import gc

import pytest
import torch


def tensor_bytes() -> int:
    """Bytes of all tensors that are alive."""
    gc.collect()
    storages = {}
    for each in gc.get_objects():
        if type(each) in (torch.Tensor, torch.nn.Parameter) and each.device.type == "cpu":
            storage = each.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


@pytest.mark.parametrize("prompts", [15, pytest.param(50, marks=pytest.mark.slow)])
def test_memory_stays_flat(flux, add_style, prompt, sample, halves, untouched, prompts):
    import comfy.model_management

    comfy.model_management.unload_all_models()  # those of other tests

    styles = (
        {"seed": 0, "method": "patch"},
        {"seed": 1, "method": "branch"},
        {"seed": 2, "mask": halves[0]},
        {"seed": 3, "object": "the guitar"},
        {"seed": 4, "method": "patch", "blocks": "single"},
    )
    positive, memory, images = prompt(), [], {}
    for number in range(prompts):
        settings = styles[number % len(styles)]
        latent = sample(add_style(**settings), positive)
        assert torch.equal(images.setdefault(settings["seed"], latent), latent)
        if number % len(styles) == len(styles) - 1:
            memory.append(tensor_bytes())
    assert max(memory[2:]) <= memory[1] * 1.001
    assert len(comfy.model_management.current_loaded_models) <= 2
    untouched()
