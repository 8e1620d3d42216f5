"""Input of the routers: the frozen encoder's embedding; pooled latents are tested with the examples."""

import gc
import shutil
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from styleroute.errors import StyleExpertError, TrainingError
from styleroute.moe.expert import open_encoder
from styleroute.training.experts import conditions
from styleroute.training.experts.conditions import load_condition
from styleroute.training.experts.config import ExpertsTrainConfig
from styleroute.training.experts.examples import TripletExamples
from styleroute.training.style_encoder.vision import load_vision


def test_the_embedding_is_the_encoders_output_for_the_vision_models_states(
    config: ExpertsTrainConfig, examples: TripletExamples
) -> None:
    reference = examples.triplets[3].reference
    states = load_vision(config.model.vision).read([Image.open(reference)], (-1,)).states
    torch.testing.assert_close(examples.style([reference]), open_encoder(config.model.encoder)(states))


def test_other_encoders_have_other_identities(config: ExpertsTrainConfig, write_encoder: Callable[..., Path]) -> None:
    one, other = (
        load_condition(config.model, "cpu"),
        load_condition(replace(config.model, encoder=write_encoder(proj_dim=5)), "cpu"),
    )
    assert (one.width, other.width) == (12, 10)
    assert one.identity != other.identity
    assert load_condition(replace(config.model, condition="pooled-latents"), "cpu").width == 256


def test_another_vision_model_computes_the_cached_styles_again(
    config: ExpertsTrainConfig, examples: TripletExamples, siglip: Path, tmp_path: Path
) -> None:
    """With the same style encoder, images and cache folder."""
    other = shutil.copytree(siglip, tmp_path / "other")
    state = load_file(other / "model.safetensors")
    save_file({name: 1.1 * weight for name, weight in state.items()}, other / "model.safetensors", {"format": "pt"})
    paths, found = [row.reference for row in examples.triplets], []
    for vision in (siglip, other):
        condition = load_condition(replace(config.model, vision=str(vision)), "cpu")
        found.append(condition.rows(paths, examples.images, tmp_path / "cache").of(paths, "styles").copy())
        exact = torch.from_numpy(condition._encode([Image.open(path) for path in paths])["styles"])
        torch.testing.assert_close(torch.from_numpy(found[-1]), exact)
    assert abs(found[0] - found[1]).max() > 1e-4


def test_an_encoder_of_another_vision_model_is_refused(
    config: ExpertsTrainConfig, write_encoder: Callable[..., Path]
) -> None:
    foreign = replace(config.model, encoder=write_encoder(num_tokens=9))
    with pytest.raises(TrainingError, match=r"reads 9 tokens x 8, but the vision model .* gives 4 x 8. Give the --vis"):
        load_condition(foreign, "cpu")


def test_a_file_without_an_encoder_is_refused(config: ExpertsTrainConfig, siglip: Path) -> None:
    with pytest.raises(StyleExpertError, match="holds no style encoder"):
        load_condition(replace(config.model, encoder=siglip / "model.safetensors"), "cpu")


def test_the_vision_model_is_freed_before_the_training(config: ExpertsTrainConfig, monkeypatch) -> None:
    loaded = []

    def load(*arguments):
        vision = load_vision(*arguments)
        loaded.append(weakref.ref(vision))
        return vision

    monkeypatch.setattr(conditions, "load_vision", load)
    condition = load_condition(config.model, "cpu")
    condition.free()
    gc.collect()
    assert [vision() for vision in loaded] == [None]
    assert condition.encoder is not None
