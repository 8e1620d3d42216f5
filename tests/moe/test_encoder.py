"""The style encoder: sizes from files, numbers against a float64 formula."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from styleroute.moe import EncoderConfig, StyleEncoder, StyleExpert, StyleExpertError, save_encoder
from styleroute.moe.inspecting import inspect_file

from .conftest import encoder_state, expert_state
from .reference import encode, relative_error

TAPS = (-2, -3, -5)


def _open(written, state, cond_dim, prefix="proj_model."):
    encoder = written({prefix + key: weight for key, weight in state.items()}, "encoder.safetensors")
    return StyleExpert.open(written(expert_state(cond_dim=cond_dim)), encoder_path=encoder)


@pytest.mark.parametrize(
    ("layout", "cond_dim", "activated"),
    [
        ({}, 30, True),
        ({"projections": (5,), "places": (0,)}, 30, True),
        ({"projections": (11, 5), "places": (0, 2)}, 30, True),
        ({"projections": (11, 4, 5), "places": (0, 1, 2)}, 30, False),
        ({"post": 13}, 13, True),
        ({"projections": (11, 5), "places": (0, 2), "post": 13}, 13, True),
    ],
)
def test_equals_formula(written, layout, cond_dim, activated):
    state = encoder_state(**layout)
    expert = _open(written, state, cond_dim)
    states = torch.randn(2, 6, 7, 6)
    style = expert.encoder(states)
    assert style.shape == (2, cond_dim)
    assert relative_error(style, encode(state, TAPS, states, activated=activated)) <= 1e-5
    assert expert.encoder_config.cond_dim == cond_dim


def test_just_the_tapped_layers(written):
    expert = _open(written, encoder_state(), 30)
    states = torch.randn(1, 6, 7, 6)
    assert torch.equal(expert.encoder(states), expert.encoder(states[:, TAPS]))


@pytest.mark.parametrize("prefix", ["", "proj_model.", "encoder."])
def test_sizes_of_the_file(written, prefix):
    expert = _open(written, encoder_state(), 30, prefix)
    config = expert.encoder_config
    assert (config.taps, config.num_queries, config.num_tokens) == (TAPS, 2, 7)
    assert (config.hidden_size, config.proj_dim) == (6, 5)
    assert expert.bytes_read == 0


def test_published_sizes(written):
    state = encoder_state(taps=(-2, -11, -20), queries=8, tokens=729, width=1152, projections=(128,))
    encoder = written(state, "encoder.safetensors")
    expert = StyleExpert.open(written(expert_state(cond_dim=3072)), encoder_path=encoder)
    assert expert.encoder_config == EncoderConfig()
    assert expert.encoder_config.vision_model == "sigclip_vision_patch14_384.safetensors"


def test_encoder_in_the_expert_file(written):
    state = encoder_state()
    path = written(expert_state() | {f"encoder.{key}": weight for key, weight in state.items()})
    states = torch.randn(1, 6, 7, 6)
    assert relative_error(StyleExpert.open(path).encoder(states), encode(state, TAPS, states)) <= 1e-5


def test_new_encoder_has_the_file_keys():
    config = EncoderConfig(taps=TAPS, num_queries=2, num_tokens=7, hidden_size=6, proj_dim=5, cond_dim=30)
    assert StyleEncoder(config).state_dict().keys() == encoder_state().keys()


@pytest.mark.parametrize("shape", [(1, 6, 8, 6), (1, 6, 7, 5), (1, 4, 7, 6), (6, 7, 6), (0, 6, 7, 6)])
def test_states_of_another_vision_model_are_refused(written, shape):
    with pytest.raises(StyleExpertError, match=r"expected .images, at least 5 layers, 7 tokens, width 6"):
        _open(written, encoder_state(), 30).encoder(torch.randn(shape))


def test_encoder_for_other_experts_is_refused(written):
    with pytest.raises(StyleExpertError, match=r"gives 30 numbers, but the routers .* expect 31"):
        _open(written, encoder_state(), 31)


def test_missing_encoder_keys_are_refused(written):
    state = encoder_state()
    del state["layer_norms.-3.bias"], state["embedding_linears.-3.0.weight"]
    with pytest.raises(StyleExpertError, match="lacks 2 of its keys"):
        _open(written, state, 30)


def test_contradicting_encoder_shapes_are_refused(written):
    state = encoder_state() | {"layer_norms.-3.bias": torch.zeros(5)}
    with pytest.raises(StyleExpertError, match=r"contradict each other: layer_norms.-3.bias"):
        _open(written, state, 30)


def test_unknown_projection_is_refused(written):
    with pytest.raises(StyleExpertError, match="at the indices"):
        _open(written, encoder_state(projections=(11, 5), places=(0, 3)), 30)


def test_nan_in_the_encoder_is_refused(written):
    state = encoder_state()
    state["layer_norms.-2.bias"][0] = float("nan")
    expert = _open(written, state, 30)
    with pytest.raises(StyleExpertError, match="NaN"):
        _ = expert.encoder


def test_a_saved_encoder_keeps_taps_vision_model_and_training(tmp_path):
    config = EncoderConfig(
        taps=(-3, -1), num_queries=2, num_tokens=4, hidden_size=8, proj_dim=3, cond_dim=12, vision_model="mine"
    )
    encoder = StyleEncoder(config)
    save_encoder(tmp_path / "encoder.safetensors", encoder.state_dict(), config, {"steps": 3})
    report = inspect_file(tmp_path / "encoder.safetensors")
    assert (report.kind, report.encoder_config, report.problems) == ("style-encoder", config, [])
    with safe_open(str(tmp_path / "encoder.safetensors"), "pt") as file:
        assert json.loads(file.metadata()["styleroute"])["training"] == {"steps": 3}
        assert torch.equal(file.get_tensor("projections.-3.weight"), encoder.projections["-3"].weight)


def test_an_encoder_of_another_configuration_is_not_saved(tmp_path):
    config = EncoderConfig(taps=(-1,), num_queries=2, num_tokens=4, hidden_size=8, proj_dim=3, cond_dim=6)
    state = StyleEncoder(config).state_dict()
    with pytest.raises(StyleExpertError, match="do not have the sizes of its configuration"):
        save_encoder(tmp_path / "encoder.safetensors", state, replace(config, num_tokens=5))
    with pytest.raises(StyleExpertError, match=r"ends in \.safetensors"):
        save_encoder(tmp_path / "encoder.pt", state, config)
    assert not list(tmp_path.iterdir())
