"""Interrupted at every stage, a style leaves the model as it was, to the bit, and the next run gives the same image."""

import pytest

STAGES = [
    ("patch", "read experts"),
    ("patch", "load weights"),
    ("patch", "first layer"),
    ("patch", "step"),
    ("branch", "read experts"),
    ("branch", "first layer"),
    ("branch", "last layer"),
    ("branch", "step"),
    ("patch and branch", "load weights"),
    ("object", "last layer"),
    ("patch and object", "step"),
]


@pytest.fixture
def interrupt(parts, flux, monkeypatch):
    """Interrupts the work at a stage, as ComfyUI's button does; returns a function that ends this."""
    import comfy.model_management
    import comfy.utils
    from comfy.model_patcher import ModelPatcher
    from styleroute.moe.expert import StyleExpert

    def stop(*args, **named):
        raise comfy.model_management.InterruptProcessingException

    network = flux.model.diffusion_model
    layers = {"first layer": network.double_blocks[0].img_attn.qkv, "last layer": network.single_blocks[1].linear2}
    attributes = {
        "read experts": (StyleExpert, "collapse_routed"),
        "load weights": (ModelPatcher, "patch_weight_to_device"),
        "step": (comfy.utils, "PROGRESS_BAR_HOOK"),
    }

    def begin(stage: str):
        if stage in layers:
            return layers[stage].register_forward_pre_hook(stop).remove
        monkeypatch.setattr(*attributes[stage], stop)
        return monkeypatch.undo

    return begin


@pytest.mark.parametrize(("kind", "stage"), STAGES)
def test_the_model_is_as_it_was(flux, add_style, prompt, sample, interrupt, untouched, kind, stage):
    import comfy.model_management

    def styled():
        model = add_style(method="patch", seed=1) if "patch" in kind else flux
        return model if kind == "patch" else add_style(model, object="the guitar" if "object" in kind else "")

    base, expected = sample(flux, prompt()), sample(styled(), prompt())
    untouched()
    end = interrupt(stage)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        sample(styled(), prompt())
    end()
    untouched()
    assert (sample(flux, prompt()) == base).all()
    assert (sample(styled(), prompt()) == expected).all()
    untouched()
