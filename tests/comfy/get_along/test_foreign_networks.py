"""Models whose network is another pack's own, such as Nunchaku's: one sentence names the pack, before any work."""

import pytest
import torch
from styleroute.moe import StyleExpertError


@pytest.fixture
def nunchaku(flux):
    """A MODEL as ComfyUI-nunchaku makes it: ComfyUI's Flux, with its own module in the place of the network."""

    class NunchakuFluxTransformer2dModel(torch.nn.Module):
        pass

    class ComfyFluxWrapper(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model, self.loras = NunchakuFluxTransformer2dModel(), []

    NunchakuFluxTransformer2dModel.__module__ = "nunchaku.models.transformers.transformer_flux"
    flux.model.diffusion_model = ComfyFluxWrapper()
    return flux


SENTENCE = (
    r"^The network of this model is ComfyFluxWrapper from Nunchaku, not ComfyUI's own, so its weights cannot be "
    r"changed by experts\. Load FLUX\.1 Kontext as safetensors \(bf16 or fp8\) or as GGUF\.$"
)


def test_nunchaku_is_named_by_both_methods(nunchaku, add_style, method):
    with pytest.raises(StyleExpertError, match=SENTENCE):
        add_style(nunchaku, method)


def test_nunchaku_is_named_by_the_other_nodes(nunchaku, prompt, region_sample):
    from styleroute.nodes.maps.capture_attention import CaptureAttention

    for run in (lambda: CaptureAttention.execute(nunchaku, prompt()), lambda: region_sample(prompt(), nunchaku)):
        with pytest.raises(StyleExpertError, match=SENTENCE):
            run()


def test_an_unknown_network_is_named_by_its_class(flux, add_style):
    class TensorRTEngine(torch.nn.Module):
        pass

    flux.model.diffusion_model = TensorRTEngine()
    with pytest.raises(StyleExpertError, match=r"The network of this model is TensorRTEngine, .* Load FLUX\.1 Kontext"):
        add_style(flux)
