"""Tokens, positions and noise levels against closed forms."""

import math

import pytest
import torch
from styleroute.flux.latents import pack, position_ids, unpack
from styleroute.flux.noise import add_noise, euler_sigmas, sampler_sigmas, shift_sigma
from styleroute.flux.velocity import Reference, predict_velocity
from styleroute.training.changed_cells import weigh_changed
from torch import Tensor


def test_unpack_undoes_pack() -> None:
    latents = torch.randn(2, 16, 6, 8)
    tokens = pack(latents)
    assert tokens.shape == (2, 12, 64)
    assert torch.equal(unpack(tokens, rows=3), latents)


def test_a_token_holds_one_patch_channel_by_channel() -> None:
    latents = torch.arange(2 * 4 * 4.0).view(1, 2, 4, 4)
    assert pack(latents)[0, 1].tolist() == [2, 3, 6, 7, 18, 19, 22, 23]


def test_positions_are_index_row_column() -> None:
    ids = position_ids(2, 3, index=1, top=4, left=5)
    assert ids.tolist() == [[1, 4, 5], [1, 4, 6], [1, 4, 7], [1, 5, 5], [1, 5, 6], [1, 5, 7]]


def test_shift_equals_the_closed_form_and_keeps_the_ends() -> None:
    for time in (0.1, 0.5, 0.9, 1.0):
        closed = math.exp(1.15) / (math.exp(1.15) + 1 / time - 1)
        assert shift_sigma(torch.tensor(time)).item() == pytest.approx(closed)
    # No shift at mu = 0, and the end of time 0 stays finite.
    assert shift_sigma(torch.tensor(0.3), mu=0).item() == pytest.approx(0.3)
    assert 0 <= shift_sigma(torch.tensor(0.0)).item() < 1e-3


def test_euler_sigmas_decrease_from_one_to_zero() -> None:
    sigmas = euler_sigmas(20)
    assert len(sigmas) == 21
    assert sigmas[0] == 1
    assert sigmas[-1] == 0
    assert (sigmas.diff() < 0).all()


@pytest.mark.parametrize("steps", [1, 4, 20, 50])
def test_euler_sigmas_are_comfyuis_simple_schedule(comfyui, steps: int) -> None:
    from comfy.model_sampling import ModelSamplingFlux
    from comfy.samplers import simple_scheduler

    torch.testing.assert_close(euler_sigmas(steps), simple_scheduler(ModelSamplingFlux(), steps), rtol=0, atol=1e-6)


def test_noise_is_added_as_in_comfyui(comfyui) -> None:
    from comfy.model_sampling import CONST

    clean, noise = torch.randn(2, 1, 16, 4, 4)
    expected = CONST().noise_scaling(torch.tensor(0.3), noise, clean)
    torch.testing.assert_close(add_noise(clean, noise, torch.tensor([0.3])), expected)


def test_sampler_sigmas_cover_every_stratum() -> None:
    sigmas = sampler_sigmas(8, torch.Generator().manual_seed(0)).sort().values
    edges = shift_sigma(torch.linspace(0, 1, 9))
    assert ((sigmas >= edges[:-1] - 1e-3) & (sigmas <= edges[1:])).all()


def test_noise_level_mixes_each_row_by_its_own_sigma() -> None:
    clean, noise = torch.ones(2, 1, 1, 1), torch.zeros(2, 1, 1, 1)
    assert add_noise(clean, noise, torch.tensor([0.25, 1.0])).flatten().tolist() == [0.75, 0.0]


class StubTransformer:
    """Returns its tokens, and stores its inputs."""

    def __call__(self, **inputs: Tensor) -> tuple[Tensor]:
        self.inputs = inputs
        return (inputs["hidden_states"],)


@pytest.mark.parametrize(("rows", "expected"), [(64, 64), (0, 0)])
def test_references_have_their_own_positions(rows: int, expected: int) -> None:
    stub, text = StubTransformer(), (torch.zeros(2, 5, 8), torch.zeros(2, 8))
    noisy, content, style = torch.randn(3, 2, 16, 4, 6)
    references = [Reference(content, 1, (3, 1)), Reference.of_style(style, (2, 5), rows)]
    velocity = predict_velocity(stub, noisy, references, torch.ones(2), text, torch.ones(2), corner=(3, 1))
    # The output contains only the noisy image's tokens.
    assert torch.equal(velocity, noisy)
    assert torch.equal(stub.inputs["hidden_states"], torch.cat([pack(part) for part in (noisy, content, style)], dim=1))
    ids = stub.inputs["img_ids"].reshape(3, 6, 3)
    assert ids[:, 0].tolist() == [[0, 3, 1], [1, 3, 1], [2, expected + 2, 5]]
    assert ids[:, -1].tolist() == [[0, 4, 3], [1, 4, 3], [2, expected + 3, 7]]
    assert stub.inputs["txt_ids"].shape == (5, 3)


def test_the_style_reference_starts_at_row_64_by_default() -> None:
    style = Reference.of_style(torch.zeros(1, 16, 4, 4))
    assert (style.index, style.corner) == (2, (64, 0))


def test_changed_cells_weigh_more_and_the_weights_are_averaged_away() -> None:
    original = torch.zeros(1, 16, 2, 2)
    target = original.clone()
    target[..., 0, 0] = 0.3
    target[..., 1, 1] = 0.2  # below the threshold
    error = torch.tensor([[[8.0, 1.0], [2.0, 3.0]]])
    assert weigh_changed(error, target, original, 5.0) == (5 * 8 + 1 + 2 + 3) / 8
    assert weigh_changed(error, target, original, 1.0) == error.mean()
    assert weigh_changed(torch.full_like(error, 7.0), target, original, 5.0) == 7
