"""Stage 2's objective, with a stand-in for the model that records what it is given."""

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from styleroute.flux.noise import add_noise
from styleroute.flux.velocity import Reference
from styleroute.training.experts import trainer as module
from styleroute.training.experts.config import ExpertObjective
from styleroute.training.experts.examples import TripletBatch
from styleroute.training.experts.routed_linear import BatchStyle
from styleroute.training.experts.trainer import flow_matching_loss

COUNT = 3
SIGMA = torch.tensor([0.2, 0.5, 0.9])
MODEL = torch.nn.Identity()


@dataclass
class Recorder:
    """In the place of `predict_velocity`: keeps its arguments, gives back `velocity`."""

    velocity: torch.Tensor
    given: dict[str, Any] = field(default_factory=dict)

    def __call__(self, model, noisy, references, sigma, text, guidance, corner=(0, 0)) -> torch.Tensor:
        self.given = {"model": model, "noisy": noisy, "references": references, "sigma": sigma, "text": text}
        self.given |= {"guidance": guidance, "corner": corner}
        return self.velocity


@pytest.fixture
def batch() -> TripletBatch:
    """Every part has numbers, and corners, of its own."""
    content, stylised, reference = torch.randn(3, COUNT, 16, 4, 4, generator=torch.Generator().manual_seed(0))
    text = torch.ones(COUNT, 5, 8), torch.ones(COUNT, 8)
    return TripletBatch(content, stylised, reference, text, 2 * torch.ones(COUNT, 6), (1, 2), (3, 4))


@pytest.fixture
def noise() -> torch.Tensor:
    return torch.randn(COUNT, 16, 4, 4, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def recorder(batch: TripletBatch, noise: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """A model that has learned: it gives the velocity from the stylised image to the noise."""
    recorder = Recorder(noise - batch.stylised)
    monkeypatch.setattr(module, "predict_velocity", recorder)
    return recorder


def test_the_loss_is_the_squared_distance_to_noise_less_the_stylised_image(batch, noise, recorder) -> None:
    def loss() -> float:
        return flow_matching_loss(MODEL, batch, noise, SIGMA, BatchStyle(), ExpertObjective()).item()

    assert loss() == 0
    recorder.velocity = recorder.velocity + 0.5
    assert loss() == pytest.approx(0.25)


def test_the_model_is_given_the_noised_stylised_image_its_text_and_the_guidance(batch, noise, recorder) -> None:
    flow_matching_loss(MODEL, batch, noise, SIGMA, BatchStyle(), ExpertObjective(guidance=2.5))
    given = recorder.given
    assert given["model"] is MODEL
    assert torch.equal(given["noisy"], add_noise(batch.stylised, noise, SIGMA))
    assert torch.equal(given["sigma"], SIGMA)
    assert given["text"] is batch.text
    assert given["guidance"].tolist() == [2.5] * COUNT
    assert given["corner"] == (1, 2)


def test_the_content_alone_stands_beside_it(batch, noise, recorder) -> None:
    flow_matching_loss(MODEL, batch, noise, SIGMA, BatchStyle(), ExpertObjective())
    [content] = recorder.given["references"]
    _require_content(content, batch)


@pytest.mark.parametrize("rows", [0, 64])
def test_with_the_style_reference_the_style_image_stands_after_the_content(batch, noise, recorder, rows) -> None:
    objective = ExpertObjective(style_reference=True, style_rows=rows)
    flow_matching_loss(MODEL, batch, noise, SIGMA, BatchStyle(), objective)
    content, style = recorder.given["references"]
    _require_content(content, batch)
    assert style.latents is batch.reference
    assert (style.index, style.corner) == (2, (rows + 3, 4))


@pytest.mark.parametrize("routed", [None, torch.tensor([1.0, 0.0, 1.0])])
def test_the_style_and_the_routed_rows_reach_the_routers(batch, noise, recorder, routed) -> None:
    style = BatchStyle()
    flow_matching_loss(MODEL, batch, noise, SIGMA, style, ExpertObjective(), routed)
    assert style.embedding is batch.style
    assert style.routed is routed


def _require_content(reference: Reference, batch: TripletBatch) -> None:
    assert reference.latents is batch.content
    assert (reference.index, reference.corner) == (1, (1, 2))
