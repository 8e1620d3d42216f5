"""StyleRoute beside other nodes: styles by both methods on the small Flux, and what must stay as it was."""

from collections.abc import Callable

import pytest
import torch
from styleroute.paths import PACK
from torch import Tensor

BOTH_METHODS = ("patch", "branch")


@pytest.fixture(params=BOTH_METHODS)
def method(request) -> str:
    """MoE Apply's method: merged into the weights, or added at run time."""
    return request.param


@pytest.fixture
def add_style(flux, style_expert) -> Callable:
    """MoE Apply on the small Flux or another model: returns the MODEL. Each seed is another style."""
    from styleroute.nodes.styles.moe_apply import MoEApply
    from styleroute.nodes.styles.style_types import Style, encoder_id

    def add(model=None, method="branch", seed=0, strength=1.0, **settings):
        embedding = torch.randn(1, 32, generator=torch.Generator().manual_seed(seed))
        style = Style(embedding, 1, encoder_id(style_expert.encoder))
        model = flux if model is None else model
        return MoEApply.execute(model, style_expert, strength, style, method=method, **settings).result[0]

    return add


@pytest.fixture
def halves() -> tuple[Tensor, Tensor]:
    """Masks [1, 64, 96] of the left and of the right half."""
    left = torch.zeros(1, 64, 96)
    left[..., :48] = 1
    return left, 1 - left


@pytest.fixture
def untouched(flux) -> Callable[[], None]:
    """Requires, at each call, that the small Flux is as it was at the start, to the bit."""
    import comfy.model_management

    weights = {key: weight.clone() for key, weight in flux.model.state_dict().items()}
    forwards = {name: module.forward for name, module in flux.model.named_modules()}

    def require() -> None:
        comfy.model_management.unload_all_models()
        assert not flux.patches
        assert not flux.wrappers
        assert not any(module._forward_hooks for module in flux.model.modules())
        assert all(module.forward == forwards[name] for name, module in flux.model.named_modules())
        assert all(torch.equal(weight, weights[key]) for key, weight in flux.model.state_dict().items())

    return require


@pytest.fixture(scope="session")
def vae(parts):
    """The VAE of the small Kontext, which encodes and decodes real images."""
    import comfy.sd
    from safetensors.torch import load_file

    return comfy.sd.VAE(sd=load_file(PACK / "examples" / "tiny_kontext" / "models" / "vae.safetensors"))


@pytest.fixture(scope="session")
def photo() -> Tensor:
    """An image [1, 64, 96, 3] with edges and colours."""
    rows, columns = torch.meshgrid(torch.linspace(0, 1, 64), torch.linspace(0, 1, 96), indexing="ij")
    return torch.stack([rows, columns, ((rows + columns) * 5).sin().abs()], dim=-1)[None]
