"""ControlNet, Redux and inpainting in the same graph as a style."""

import pytest
import torch

CLOSE = {"rtol": 1e-4, "atol": 1e-4}


@pytest.fixture
def controlled(parts, photo):
    """Adds a random ControlNet of FLUX.1 to a conditioning, with ComfyUI's own node."""
    import comfy.controlnet
    import comfy.ops
    from comfy.ldm.flux.controlnet import ControlNetFlux

    import nodes

    network = ControlNetFlux(operations=comfy.ops.disable_weight_init, dtype=torch.float32, **parts.FLUX)
    parts.random_weights(network, seed=6)
    device = torch.device("cpu")
    control = comfy.controlnet.ControlNet(network, load_device=device, extra_conds=["y", "guidance"])
    apply = nodes.ControlNetApplyAdvanced().apply_controlnet
    return lambda positive: apply(positive, positive, control, photo, 1.0, 0.0, 1.0)[0]


@pytest.fixture
def with_redux(parts, siglip, photo):
    """Adds a random Redux model's tokens to a conditioning, with ComfyUI's own node."""
    import comfy.sd
    from comfy.ldm.flux.redux import ReduxImageEncoder

    import nodes

    encoder = ReduxImageEncoder(parts.SIGLIP["hidden_size"], parts.CONTEXT)
    parts.random_weights(encoder, seed=7)
    style_model, seen = comfy.sd.StyleModel(encoder, "cpu"), siglip.encode_image(photo)
    apply = nodes.StyleModelApply().apply_stylemodel
    return lambda positive, kind="multiply": apply(positive, style_model, seen, 0.7, kind)[0]


@pytest.fixture
def both(flux, add_style, sample):
    """Samples with both methods, requires the same latent, and one that differs from the unstyled one."""

    def run(positive, model=None, **settings):
        model = flux if model is None else model
        patch, branch = (sample(add_style(model, method), positive, **settings) for method in ("patch", "branch"))
        torch.testing.assert_close(branch, patch, **CLOSE)
        assert not torch.allclose(patch, sample(model, positive, **settings), atol=1e-3)
        return patch

    return run


def test_controlnet(both, add_style, controlled, prompt, with_reference, sample, halves, untouched):
    positive = with_reference(prompt())
    steered = both(controlled(positive))
    assert not torch.allclose(steered, both(positive), atol=1e-3)
    for place in ({"mask": halves[0]}, {"object": "the guitar"}):
        styled = add_style(**place)
        assert not torch.allclose(sample(styled, controlled(positive)), sample(styled, positive), atol=1e-3)
    untouched()


@pytest.mark.parametrize("kind", ["multiply", "attn_bias"])
def test_redux(both, add_style, with_redux, prompt, with_reference, sample, halves, kind, untouched):
    # ComfyUI's own attn_bias fails with reference latents: its attention mask leaves their tokens out.
    positive = prompt() if kind == "attn_bias" else with_reference(prompt())
    mixed = both(with_redux(positive, kind))
    assert not torch.allclose(mixed, both(positive), atol=1e-3)
    for place in ({"mask": halves[0]}, {"object": "the guitar"}):
        styled = add_style(**place)
        assert not torch.allclose(sample(styled, with_redux(positive, kind)), sample(styled, positive), atol=1e-3)
    untouched()


def test_controlnet_and_redux_with_two_styles_in_two_places(add_style, controlled, with_redux, prompt, sample, halves):
    positive = controlled(with_redux(prompt()))
    one = add_style(seed=1, mask=halves[0])
    two = add_style(one, seed=2, mask=halves[1])
    assert not torch.allclose(sample(two, positive), sample(one, positive), atol=1e-3)


@pytest.mark.parametrize("family", ["Flux", "FluxInpaint"])
def test_inpainting_keeps_what_the_mask_keeps(parts, both, add_style, prompt, sample, vae, photo, halves, family):
    """FLUX.1 Kontext, and the sizes of FLUX.1 Fill, whose first layer also reads the masked image and the mask."""
    import nodes

    channels = {"Flux": 16, "FluxInpaint": 96}[family]
    model = parts.random_model(family, parts.FLUX | {"in_channels": channels})
    positive, _, latent = nodes.InpaintModelConditioning().encode(prompt(), prompt(), photo, vae, halves[1])
    found = both(positive, model, latent=latent)
    torch.testing.assert_close(found[..., :5], latent["samples"][..., :5], rtol=1e-3, atol=1e-3)
    assert not torch.allclose(vae.decode(found), vae.decode(latent["samples"]), atol=1e-2)
    assert sample(add_style(model, mask=halves[1]), positive, latent=latent).isfinite().all()
