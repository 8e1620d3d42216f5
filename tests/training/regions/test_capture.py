"""Captured maps of diffusers' FLUX: exact, without the full matrix, and without a change of the output."""

from collections.abc import Callable

import pytest
import torch
from diffusers import FluxTransformer2DModel
from diffusers.models.transformers import transformer_flux
from styleroute.errors import TrainingError
from styleroute.flux.velocity import Reference, predict_velocity
from styleroute.training.regions.capture import MapCapture, capture_maps
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

TEXT, CELLS = 5, 8
TOKENS = TEXT + 2 * (CELLS // 2) ** 2
ROWS = slice(TEXT, TEXT + (CELLS // 2) ** 2)
SPANS = [[[1, 2], [4]], [[0], [2, 3]]]


@pytest.fixture
def flux() -> FluxTransformer2DModel:
    torch.manual_seed(0)
    return FluxTransformer2DModel(
        in_channels=64, num_layers=2, num_single_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=16, pooled_projection_dim=16, guidance_embeds=True, axes_dims_rope=(4, 6, 6),
    )  # fmt: skip


def _velocity(flux: FluxTransformer2DModel, cells: int = CELLS) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    noisy, original = torch.randn(2, 2, 16, cells, cells, generator=generator)
    text = torch.randn(2, TEXT, 16, generator=generator), torch.randn(2, 16, generator=generator)
    return predict_velocity(flux, noisy, [Reference(original)], torch.tensor([0.3, 0.8]), text, torch.ones(2))


@pytest.fixture
def full_matrices(flux: FluxTransformer2DModel, monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """The softmax [B, H, N, N] of every block, from the queries and keys of diffusers' own attention."""
    found: list[Tensor] = []
    attend = transformer_flux.dispatch_attention_fn

    def recording(query: Tensor, key: Tensor, *arguments, **options) -> Tensor:
        q, k = query.transpose(1, 2), key.transpose(1, 2)
        found.append((q.double() @ k.double().transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1))
        return attend(query, key, *arguments, **options)

    monkeypatch.setattr(transformer_flux, "dispatch_attention_fn", recording)
    with torch.no_grad():
        _velocity(flux)
    monkeypatch.undo()
    return found


@pytest.mark.parametrize("grad", [False, True])
def test_maps_are_columns_of_the_full_softmax(flux, full_matrices: list[Tensor], grad: bool) -> None:
    capture = capture_maps(flux, "all")
    capture.expect(SPANS, ROWS)
    with torch.set_grad_enabled(grad):
        _velocity(flux)
    maps = capture.take()
    assert list(maps) == ["double 0", "double 1", "single 0", "single 1"]
    for found, full in zip(maps.values(), full_matrices, strict=True):
        mean = full.mean(1)[:, ROWS]  # over heads
        for sample, spans in enumerate(SPANS):
            for index, span in enumerate(spans):
                expected = mean[sample][:, span].mean(-1).float()
                torch.testing.assert_close(found[sample, index], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("capturing", [False, True])
def test_the_processors_change_nothing(flux, capturing: bool) -> None:
    before = _velocity(flux)
    capture = capture_maps(flux, "all")
    if capturing:
        capture.expect(SPANS, ROWS)
    torch.testing.assert_close(_velocity(flux), before, rtol=0, atol=1e-6)


class _Largest(TorchDispatchMode):
    """Counts the elements of the largest tensor that an operation creates."""

    elements = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        made = function(*arguments, **(options or {}))
        for part in made if isinstance(made, (tuple, list)) else (made,):
            if isinstance(part, Tensor):
                self.elements = max(self.elements, part.numel())
        return made


@pytest.mark.parametrize("normalise", ["all", "span"])
def test_no_full_matrix_is_made_forward_or_backward(flux, normalise: str) -> None:
    cells = 64
    tokens = TEXT + 2 * (cells // 2) ** 2
    flux.requires_grad_(True)
    capture = capture_maps(flux, "all", normalise)
    capture.expect(SPANS, slice(TEXT, TEXT + (cells // 2) ** 2))
    with _Largest() as largest:
        _velocity(flux, cells)
        sum(maps.square().sum() for maps in capture.take().values()).backward()
    assert flux.single_transformer_blocks[1].attn.to_k.weight.grad.any()
    # The limit is what every block needs anyway: the input of a single block's last linear layer.
    assert largest.elements < 2 * tokens * (32 * 5 + 1)
    assert largest.elements < 2 * 2 * tokens * tokens / 10


def _gradients(flux: FluxTransformer2DModel, capture: MapCapture) -> list[Tensor]:
    flux.zero_grad()
    capture.expect(SPANS, ROWS)
    velocity = _velocity(flux)
    (velocity.square().mean() + sum(maps.square().sum() for maps in capture.take().values())).backward()
    return [weight.grad.clone() for weight in flux.parameters() if weight.grad is not None]


def test_checkpointed_gradients_are_the_same(flux) -> None:
    capture = capture_maps(flux, "all")
    plain = _gradients(flux, capture)
    flux.enable_gradient_checkpointing()
    for mine, expected in zip(_gradients(flux, capture), plain, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-6)


def _steal(flux: FluxTransformer2DModel) -> None:
    flux.set_attn_processor(transformer_flux.FluxAttnProcessor())


@pytest.mark.parametrize("spoil", [_steal, lambda flux: None])
def test_a_missing_map_is_refused(flux, spoil: Callable) -> None:
    """With other processors, or without a forward pass."""
    capture = capture_maps(flux, "double 1, single")
    spoil(flux)
    capture.expect(SPANS, ROWS)
    if spoil is _steal:
        _velocity(flux)
    with pytest.raises(TrainingError, match=r"no attention map was captured of double 1, single 0, single 1, so the"):
        capture.take()


def test_maps_are_returned_once_and_none_at_rest(flux) -> None:
    capture = capture_maps(flux, "all")
    capture.expect(SPANS, ROWS)
    _velocity(flux)
    capture.take()
    with pytest.raises(TrainingError):
        capture.take()
    capture.rest()
    _velocity(flux)
    with pytest.raises(TrainingError):
        capture.take()
