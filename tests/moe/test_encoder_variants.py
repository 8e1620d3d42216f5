"""Style encoders that StyleExpert's class can build: deeper projections, no layer norm, no projection."""

from itertools import pairwise

import pytest
import torch
from safetensors.torch import save_file
from styleroute.moe import EncoderConfig, StyleEncoder, StyleExpert, StyleExpertError, save_encoder
from styleroute.moe.converting import convert
from styleroute.moe.expert import open_encoder
from styleroute.moe.inspecting import inspect_file
from torch import nn

from .conftest import expert_state
from .reference import relative_error

TAPS, QUERIES, TOKENS, WIDTH, HIDDEN = (-2, -3, -5), 2, 7, 6, 5


class _ReleaseEncoder(nn.Module):
    """The modules of the release's class, in the order in which it applies them, with the names of its files."""

    def __init__(self, projection_layers: int = 1, layer_norm: bool = True, post: int = 0) -> None:
        super().__init__()
        names = [str(tap) for tap in TAPS]
        self.embedding_linears = nn.ModuleDict({n: nn.Sequential(nn.Linear(TOKENS, QUERIES), nn.SiLU()) for n in names})
        norm = (lambda: nn.LayerNorm(WIDTH)) if layer_norm else nn.Identity
        self.layer_norms = nn.ModuleDict({name: norm() for name in names})
        self.projections = nn.ModuleDict({name: self._projection(projection_layers) for name in names})
        width = HIDDEN if projection_layers else WIDTH
        self.post_projection = nn.Linear(len(TAPS) * QUERIES * width, post) if post else nn.Identity()

    @staticmethod
    def _projection(layers: int) -> nn.Module:
        if layers < 2:
            return nn.Linear(WIDTH, HIDDEN) if layers else nn.Identity()
        later = [module for _ in range(layers - 1) for module in (nn.Linear(HIDDEN, HIDDEN), nn.SiLU())]
        return nn.Sequential(nn.Linear(WIDTH, HIDDEN), *later)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        tokens = []
        for tap in TAPS:
            pooled = self.embedding_linears[str(tap)](states[:, tap].mT).mT
            tokens.append(self.projections[str(tap)](self.layer_norms[str(tap)](pooled)))
        return self.post_projection(torch.cat(tokens, dim=1).flatten(1))


VARIANTS = [
    {"projection_layers": 1},
    {"projection_layers": 2},
    {"projection_layers": 3},
    {"projection_layers": 5},
    {"projection_layers": 2, "post": 13},
    {"layer_norm": False},
    {"projection_layers": 3, "layer_norm": False},
    {"projection_layers": 0},
    {"projection_layers": 0, "post": 13},
]


@pytest.fixture(params=VARIANTS, ids=str)
def release(request, tmp_path):
    torch.manual_seed(0)
    encoder = _ReleaseEncoder(**request.param).eval()
    state = {f"proj_model.{key}": weight for key, weight in encoder.state_dict().items()}
    save_file(state, tmp_path / "encoder.safetensors")
    return encoder, tmp_path / "encoder.safetensors"


@torch.no_grad()
def test_every_variant_of_the_release_gives_the_releases_numbers(release, written, tmp_path):
    encoder, path = release
    states = torch.randn(2, 6, TOKENS, WIDTH)
    expected = encoder(states)
    assert relative_error(open_encoder(path)(states), expected.double()) <= 1e-5
    experts = written(expert_state(cond_dim=expected.shape[1]))
    converted = StyleExpert.open(convert(experts, tmp_path / "one.safetensors", path))
    assert relative_error(converted.encoder(states), expected.double()) <= 1e-5
    assert inspect_file(path).problems == inspect_file(converted.path).problems == []


@pytest.mark.parametrize(
    ("options", "activations"),
    [
        ({"projection_activation": False}, 0),
        ({"projection_activation": True}, 1),
        ({"projection_activation": False, "release_projection": True}, 1),
        ({"projection_activation": False, "projection_widths": (4, 3)}, 0),
        ({"projection_activation": False, "projection_widths": (4, 3), "release_projection": True}, 2),
        ({"layer_norm": False}, 1),
        ({"projection": False, "projection_widths": (), "proj_dim": 8, "cond_dim": 32}, 0),
    ],
)
@torch.no_grad()
def test_our_own_encoders_open_as_they_were_saved(tmp_path, options, activations):
    sizes = {"num_queries": 2, "num_tokens": 4, "hidden_size": 8, "proj_dim": 3, "cond_dim": 12, "taps": (-3, -1)}
    config = EncoderConfig(**({"projection_widths": (4,)} | sizes | options))
    encoder = StyleEncoder(config)
    assert sum(isinstance(module, nn.SiLU) for module in encoder.projections["-1"].modules()) == activations
    save_encoder(tmp_path / "encoder.safetensors", encoder.state_dict(), config)
    opened, states = open_encoder(tmp_path / "encoder.safetensors"), torch.randn(1, 3, 4, 8)
    assert opened.config == config
    assert torch.equal(opened(states), encoder(states))


def test_a_file_of_an_older_version_keeps_its_two_layers_without_activation(written):
    """Files of version 0.1.0 have no entry `release_projection`."""
    torch.manual_seed(0)
    state = _ReleaseEncoder(2).state_dict()
    path = written(state, styleroute='{"format": 1, "encoder": {"projection_activation": false}}')
    modules = open_encoder(path).projections["-2"]
    assert [type(module) for module, _ in pairwise([*modules, None])] == [nn.Linear, nn.Linear]


def test_an_encoder_that_does_not_show_its_width_is_refused_by_name(written):
    state = _ReleaseEncoder(0, layer_norm=False).state_dict()
    with pytest.raises(StyleExpertError, match="neither projections nor layer norms"):
        open_encoder(written(state))
