"""A training that starts from an expert file: it starts with the file's weights, and refuses other files."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from styleroute.errors import TrainingError
from styleroute.moe import StyleExpert, StyleExpertError
from styleroute.training.adapters.config import with_options
from styleroute.training.bases import Base
from styleroute.training.experts.conditions import load_condition
from styleroute.training.experts.config import ExpertsTrainConfig, no_encoder, release_1, single_lora
from styleroute.training.experts.start import open_start
from styleroute.training.experts.train_experts import train_experts
from styleroute.training.experts.trainer import ExpertsTrainer

Change = Callable[[ExpertsTrainConfig], ExpertsTrainConfig]


@pytest.fixture
def trained(config: ExpertsTrainConfig) -> ExpertsTrainConfig:
    """A run of two steps."""
    train_experts(done := with_options(config, steps=2, run=config.run.folder / "before"))
    return done


def _further(config: ExpertsTrainConfig, **values: object) -> ExpertsTrainConfig:
    return with_options(config, **{"start": config.expert_file, "run": config.run.folder.with_name("after"), **values})


@pytest.mark.parametrize("variant", [lambda config: config, single_lora, no_encoder, release_1])
def test_the_training_starts_with_the_weights_of_the_file(
    config: ExpertsTrainConfig, base: Base, make_trainer: Callable[..., ExpertsTrainer], variant: Change
) -> None:
    before = with_options(variant(config), steps=2)
    train_experts(before)
    condition = load_condition(before.model, "cpu")
    further = _further(before)
    if condition is not None:
        further = replace(further, model=further.model.with_cond_dim(condition.width))
    start = open_start(further.model, condition, base.name)
    checkpoint = torch.load(before.run.folder / "checkpoint.pt", weights_only=True)["adapter"]

    trainer = make_trainer(options=further, begin=start)
    assert trainer.trained.keys() == checkpoint.keys()
    for name, weight in trainer.trained.items():
        torch.testing.assert_close(weight.data, checkpoint[name], atol=1e-3, rtol=1e-3)  # the file is rounded to half
    # An untrained B is zero, so these are the file's weights.
    assert all(weight.abs().sum() > 0 for name, weight in trainer.trained.items() if name.endswith("shared_B"))


def test_the_file_records_its_start(trained: ExpertsTrainConfig) -> None:
    train_experts(further := _further(trained, steps=3))
    first, second = (StyleExpert.open(config.expert_file).training for config in (trained, further))
    assert (second["steps"], second["steps_before"], len(second["start_digest"])) == (3, 2, 16)
    assert not {"steps_before", "start_digest"} & first.keys()
    train_experts(third := _further(further, run=trained.run.folder.with_name("third"), steps=1))
    assert StyleExpert.open(third.expert_file).training["steps_before"] == 5


def test_a_run_resumes_only_with_the_same_start(trained: ExpertsTrainConfig) -> None:
    whole = _further(trained, run=trained.run.folder.with_name("whole"), steps=4)
    train_experts(whole)
    train_experts(half := _further(trained, steps=2))
    train_experts(with_options(half, steps=4))
    ours, theirs = (load_file(config.expert_file) for config in (half, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)

    other = trained.run.folder.with_name("other.safetensors")
    train_experts(with_options(trained, run=trained.run.folder.with_name("longer"), steps=3, output=other))
    with pytest.raises(TrainingError, match="or another --start"):
        train_experts(with_options(half, steps=5, start=other))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"rank": 4}, r"has rank 2, this run has 4: give --adapter.rank 2, or another --start"),
        ({"shared_rank": 3}, r"has shared_rank 2, this run has 3: give --adapter.shared-rank 2"),
        ({"top_k": 1}, r"has top_k 2, this run has 1"),
        ({"alpha": 8.0}, r"has alpha 4.0, this run has 8.0"),
        ({"routing": "release-1"}, r"has routing paper, this run has release-1: give --adapter.routing paper"),
    ],
)
def test_other_sizes_are_refused(trained: ExpertsTrainConfig, changes: dict, sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        train_experts(further := _further(trained, adapter=replace(trained.model.adapter, **changes)))
    assert not further.run.folder.exists()


def test_another_kind_of_file_is_refused(trained: ExpertsTrainConfig) -> None:
    with pytest.raises(TrainingError, match="contains routed experts, this run trains one plain LoRA: give another"):
        train_experts(single_lora(_further(trained)))


def test_another_encoder_is_refused_with_the_one_to_give(
    trained: ExpertsTrainConfig, write_encoder: Callable[..., Path]
) -> None:
    other = write_encoder()
    state = load_file(other)
    save_file({name: weight + 1 for name, weight in state.items()}, other)
    with pytest.raises(TrainingError, match=f"another style encoder than .*: give --encoder {trained.expert_file}"):
        train_experts(_further(trained, encoder=other))
    train_experts(_further(trained, encoder=trained.expert_file, steps=1))


@pytest.mark.parametrize("holds_encoder", [True, False])
def test_an_encoder_of_another_width_is_refused_with_the_one_to_give(
    trained: ExpertsTrainConfig, write_encoder: Callable[..., Path], holds_encoder: bool
) -> None:
    start = trained.expert_file if holds_encoder else _without_encoder(trained.expert_file)
    remedy = f"give --encoder {start}" if holds_encoder else "give the --encoder that these experts were trained with"
    further = _further(trained, start=start, encoder=write_encoder(proj_dim=7))
    with pytest.raises(TrainingError, match=rf"read 12 numbers per style, but .* has 14: {remedy}"):
        train_experts(further)
    assert not further.run.folder.exists()
    train_experts(with_options(further, encoder=trained.model.encoder, steps=1))


def test_routers_of_another_width_than_pooled_latents_are_refused(trained: ExpertsTrainConfig) -> None:
    further = no_encoder(_further(trained, start=_without_encoder(trained.expert_file)))
    with pytest.raises(TrainingError, match="but pooled latents has 256: give another --start"):
        train_experts(further)


def test_the_file_chooses_the_adapted_layers(trained: ExpertsTrainConfig) -> None:
    part = trained.run.folder / "part.safetensors"
    state = load_file(trained.expert_file)
    kept = {name: weight for name, weight in state.items() if not name.startswith("single_transformer_blocks")}
    save_file(kept, part, _metadata(trained.expert_file))
    train_experts(further := _further(trained, start=part, steps=2))
    assert load_file(further.expert_file).keys() == kept.keys()
    assert StyleExpert.open(further.expert_file).layers == StyleExpert.open(part).layers


def test_experts_of_layers_that_the_base_lacks_are_refused(trained: ExpertsTrainConfig) -> None:
    other = trained.run.folder / "other.safetensors"
    state = load_file(trained.expert_file)
    moved = {name.replace("single_transformer_blocks.0.", "single_transformer_blocks.7."): weight
             for name, weight in state.items()}  # fmt: skip
    save_file(moved, other, _metadata(trained.expert_file))
    with pytest.raises(
        TrainingError,
        match=r"has \(\d+, \d+\) for the layer single_transformer_blocks\.7\..* has nothing\. Give --start",
    ):
        train_experts(_further(trained, start=other))


def test_experts_of_another_base_are_refused(trained: ExpertsTrainConfig) -> None:
    other = trained.run.folder / "other.safetensors"
    metadata = {
        key: text.replace("flux-kontext", "tiny-kontext") for key, text in _metadata(trained.expert_file).items()
    }
    save_file(load_file(trained.expert_file), other, metadata)
    with pytest.raises(TrainingError, match="for the base model 'tiny-kontext', this run trains 'flux-kontext'"):
        train_experts(_further(trained, start=other))


def test_a_broken_file_is_refused(trained: ExpertsTrainConfig) -> None:
    broken = trained.run.folder / "broken.safetensors"
    broken.write_bytes(trained.expert_file.read_bytes()[:5000])
    with pytest.raises(StyleExpertError, match=r"broken.safetensors"):
        train_experts(_further(trained, start=broken))


def _without_encoder(path: Path) -> Path:
    """A copy without the style encoder and without the training summary."""
    entry = json.loads(_metadata(path)["styleroute"])
    entry = {name: value for name, value in entry.items() if name not in ("encoder", "training")}
    state = {name: weight for name, weight in load_file(path).items() if not name.startswith("encoder.")}
    save_file(state, bare := path.with_name("bare.safetensors"), {"styleroute": json.dumps(entry)})
    return bare


def _metadata(path: Path) -> dict[str, str]:
    with safe_open(str(path), framework="pt") as file:
        return file.metadata()
