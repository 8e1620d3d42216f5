"""The whole command: from triplets to an expert file that the nodes read, and its error messages."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FluxTransformer2DModel
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from styleroute.errors import StorageError, TrainingError
from styleroute.flux.velocity import Reference, predict_velocity
from styleroute.interruption import Stopped
from styleroute.moe import StyleExpert, StyleExpertError, saving
from styleroute.moe.expert import open_encoder
from styleroute.training.adapters.config import with_options
from styleroute.training.bases import Base, short_digest
from styleroute.training.experts.config import ExpertsTrainConfig, no_encoder, release_1, single_lora
from styleroute.training.experts.train_experts import train_experts
from styleroute.training.experts.trainer import ExpertsTrainer


def _merged(transformer: FluxTransformer2DModel, pairs) -> FluxTransformer2DModel:
    for layer, pair in pairs.items():
        transformer.get_submodule(layer).weight.data += pair.up @ pair.down
    return transformer


def _velocity(transformer: FluxTransformer2DModel) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    noisy, content, style = torch.randn(3, 1, 16, 8, 8, generator=generator)
    text = torch.randn(1, 5, 16, generator=generator), torch.randn(1, 16, generator=generator)
    references = [Reference(content), Reference.of_style(style)]
    with torch.no_grad():
        return predict_velocity(transformer, noisy, references, torch.ones(1) / 2, text, torch.ones(1))


def test_the_expert_file_opens_with_its_encoder_and_training_summary(config: ExpertsTrainConfig, base: Base) -> None:
    train_experts(with_options(config, steps=2))
    expert = StyleExpert.open(config.expert_file)
    assert (expert.config.num_experts, expert.config.rank, expert.config.cond_dim) == (4, 2, 12)
    assert (expert.config.routing, expert.config.alpha, expert.config.base) == ("paper", 4.0, "flux-kontext")
    assert len(expert.layers) == 12 + 5  # of a double and of a single block
    states = torch.randn(2, 1, 4, 8)
    assert torch.equal(expert.encoder(states), open_encoder(config.model.encoder)(states))
    summary = expert.training
    assert summary["base_digest"] == short_digest(base.identity)
    assert len(summary["data_digest"]) == len(summary["condition_digest"]) == 16
    assert (summary["steps"], summary["triplets"], summary["rate"]) == (2, 9, 1e-2)
    assert (summary["condition"], summary["style_reference"]) == ("style-encoder", False)
    assert (summary["schedule"], summary["warmup"]) == ("constant", 0)
    assert (summary["text_tokens"], expert.text_tokens) == (128, 128)
    assert summary["loss"] > 0
    # The file has the trained weights, rounded once.
    checkpoint = torch.load(config.run.folder / "checkpoint.pt", weights_only=True)["adapter"]
    file = load_file(config.expert_file)
    assert all(torch.equal(file[name], weight.half()) for name, weight in checkpoint.items())


def test_prompts_have_the_length_that_the_option_gives(config: ExpertsTrainConfig) -> None:
    config = with_options(config, steps=1, text_tokens=16, style_reference=True, style_rows=64)
    train_experts(config)
    expert = StyleExpert.open(config.expert_file)
    assert (expert.text_tokens, expert.style_rows) == (16, 64)


def test_the_file_of_a_single_lora_is_one_that_every_loader_reads(config: ExpertsTrainConfig, base: Base) -> None:
    config = single_lora(with_options(config, steps=2, rate=0.1))
    train_experts(config)
    state = load_file(config.expert_file)
    names = {name.removesuffix(".weight").rpartition(".")[0] for name in state}
    assert "transformer.transformer_blocks.0.attn.to_out.0" in names
    assert {name.rsplit(".", 2)[1] for name in state} == {"lora_A", "lora_B"}

    expert = StyleExpert.open(config.expert_file)
    assert expert.config.kind == "lora"
    assert expert.training["style_reference"] is True
    merged = _merged(base.transformer(), expert.collapse(None))
    loaded = base.transformer()
    loaded.load_lora_adapter({name: weight.float() for name, weight in state.items()}, prefix="transformer")
    ours, theirs, without = (_velocity(model) for model in (merged, loaded, base.transformer()))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    assert (ours - without).abs().max() > 1e-3


@pytest.mark.parametrize("variant", [no_encoder, release_1])
def test_other_variants_record_their_settings(config: ExpertsTrainConfig, variant: Callable) -> None:
    config = variant(with_options(config, steps=2))
    train_experts(config)
    expert = StyleExpert.open(config.expert_file)
    blind = variant is no_encoder
    assert expert.config.cond_dim == (256 if blind else 12)
    assert (expert.encoder_config is None) == blind
    assert expert.config.routing == ("paper" if blind else "release-1")
    assert expert.training["condition"] == config.model.condition
    expert.collapse(torch.randn(1, expert.config.cond_dim))


def test_exports_are_whole_expert_files_of_their_step(config: ExpertsTrainConfig) -> None:
    train_experts(with_options(config, steps=5, save_every=1, export_every=1, keep_exports=3))
    files = sorted((config.run.folder / "exports").iterdir())
    assert [file.name for file in files] == [f"experts_{step:06}.safetensors" for step in (3, 4, 5)]
    assert [StyleExpert.open(file).training["steps"] for file in files] == [3, 4, 5]
    last, whole = load_file(files[-1]), load_file(config.expert_file)
    assert all(torch.equal(last[name], whole[name]) for name in whole)
    assert not all(torch.equal(load_file(files[0])[name], whole[name]) for name in whole)


def test_an_export_on_a_full_disk_does_not_stop_the_training(
    config: ExpertsTrainConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full = iter([True])

    def save(*arguments: Any, **named: Any) -> None:
        if next(full, False):
            raise SafetensorError("No space left on device")
        save_file(*arguments, **named)

    monkeypatch.setattr(saving, "save_file", save)
    train_experts(with_options(config, steps=2, export_every=1, keep_exports=1))
    assert [file.name for file in (config.run.folder / "exports").iterdir()] == ["experts_000002.safetensors"]
    assert "No export of step 1, and the training goes on" in " ".join(capsys.readouterr().out.split())


def test_with_ema_the_files_have_the_averaged_weights_and_a_resumed_run_the_same(config: ExpertsTrainConfig) -> None:
    whole, pieces = (with_options(config, ema=0.7, steps=4, export_every=2, validate_every=2,
                                  run=config.run.folder / name) for name in ("whole", "pieces"))  # fmt: skip
    train_experts(whole)
    train_experts(with_options(pieces, steps=2))
    train_experts(pieces)
    one, other = (torch.load(run.run.folder / "checkpoint.pt", weights_only=True) for run in (whole, pieces))
    for part in ("adapter", "average"):
        assert all(torch.equal(one[part][name], other[part][name]) for name in one[part])
    assert one["losses"] == other["losses"]
    for file in (whole.expert_file, whole.run.folder / "exports" / "experts_000004.safetensors"):
        stored = load_file(file)
        assert all(torch.equal(stored[name], weight.half()) for name, weight in one["average"].items())
        assert not all(torch.equal(stored[name], weight.half()) for name, weight in one["adapter"].items())
    assert StyleExpert.open(whole.expert_file).training["ema"] == 0.7
    with pytest.raises(TrainingError, match=r"ema = 0\.7, this run has 0\.0"):
        train_experts(with_options(whole, ema=0.0))


def test_sigterm_saves_checkpoint_and_expert_file(config: ExpertsTrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    compute = ExpertsTrainer.compute_losses

    def terminated(trainer: ExpertsTrainer, number: int) -> dict:
        if number == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return compute(trainer, number)

    config = with_options(config, save_every=100)
    with monkeypatch.context() as patch:
        patch.setattr(ExpertsTrainer, "compute_losses", terminated)
        with pytest.raises(Stopped):
            train_experts(config)
    assert torch.load(config.run.folder / "checkpoint.pt", weights_only=True)["step"] == 3
    assert StyleExpert.open(config.expert_file).training["steps"] == 3


def test_prompts_that_are_encoded_at_each_step_train_alike(config: ExpertsTrainConfig, tmp_path: Path) -> None:
    cached, computed = (with_options(config, steps=2, texts=texts, run=tmp_path / texts, cache=tmp_path / "c" / texts)
                        for texts in ("cached", "computed"))  # fmt: skip
    train_experts(cached)
    train_experts(computed)
    assert not (computed.run.cache / "train" / "text").exists()
    one, other = (torch.load(run.run.folder / "checkpoint.pt", weights_only=True)["losses"]
                  for run in (cached, computed))  # fmt: skip
    assert one == pytest.approx(other, rel=1e-4)


def test_a_missing_encoder_names_its_command(config: ExpertsTrainConfig, tmp_path: Path) -> None:
    lost = with_options(config, encoder=tmp_path / "none.safetensors")
    with pytest.raises(
        TrainingError, match=r"no style encoder .*none\.safetensors.*`styleroute train encoder`, or give"
    ):
        train_experts(lost)
    with pytest.raises(TrainingError, match="`styleroute train encoder --preset tiny`"):
        train_experts(with_options(lost, vision="tiny"))


def test_weights_that_diverge_are_not_written(config: ExpertsTrainConfig) -> None:
    with pytest.raises(TrainingError, match="rate is inf, expected a finite number"):
        with_options(config, rate=float("inf"))
    config = with_options(config, steps=1)
    train_experts(config)
    before = config.expert_file.read_bytes()
    with pytest.raises(TrainingError, match=r"the weights of .* are not finite after step 1\. Training stopped"):
        train_experts(with_options(config, run=config.run.folder / "fast", output=config.expert_file, rate=1e30))
    assert config.expert_file.read_bytes() == before


def test_a_moved_run_resumes(config: ExpertsTrainConfig, tmp_path: Path) -> None:
    train_experts(with_options(config, steps=1))
    (tmp_path / "moved").mkdir()
    data, run = (shutil.move(shutil.copytree(path, tmp_path / "copied" / path.name), tmp_path / "moved" / path.name)
                 for path in (config.data.folder, config.run.folder))  # fmt: skip
    train_experts(with_options(config, steps=2, data=Path(data), run=Path(run), cache=tmp_path / "moved" / "cache"))
    assert torch.load(Path(run) / "checkpoint.pt", weights_only=True)["step"] == 2


def test_a_run_of_an_older_version_resumes(config: ExpertsTrainConfig) -> None:
    """Its configuration lacks the options of this version, and its checkpoint has no average."""
    train_experts(with_options(config, steps=1))
    path = config.run.folder / "config.json"
    stored = json.loads(path.read_text())
    for part, names in {
        "optimisation": ("ema",),
        "model": ("texts",),
        "run": ("validate_on", "samples", "export_every", "exports", "keep_exports", "log_every", "tracker"),
    }.items():
        for name in names:
            del stored[part][name]
    path.write_text(json.dumps(stored))
    train_experts(with_options(config, steps=2, export_every=1))
    assert torch.load(config.run.folder / "checkpoint.pt", weights_only=True)["step"] == 2


def test_a_run_with_a_constant_rate_can_be_extended(config: ExpertsTrainConfig) -> None:
    whole, pieces = (with_options(config, steps=4, run=config.run.folder / name) for name in ("whole", "pieces"))
    train_experts(whole)
    train_experts(with_options(pieces, steps=3, minutes=5.0))
    train_experts(pieces)
    files = [load_file(run.expert_file) for run in (whole, pieces)]
    assert all(torch.equal(files[1][name], weight) for name, weight in files[0].items())
    assert StyleExpert.open(pieces.expert_file).training == StyleExpert.open(whole.expert_file).training


@pytest.mark.parametrize(
    ("schedule", "change", "sentence"),
    [
        ("constant", {"rate": 0.5}, r"holds a run with optimisation\.rate = 0\.01, this run has 0\.5"),
        ("constant", {"seed": 3}, "seed = 0, this run has 3"),
        ("constant", {"style_reference": True}, "style_reference = False, this run has True"),
        ("cosine", {"steps": 9}, "steps = 2, this run has 9"),
    ],
)
def test_another_configuration_is_refused_and_loses_nothing(
    config: ExpertsTrainConfig, schedule: str, change: dict, sentence: str
) -> None:
    config = with_options(config, steps=2, schedule=schedule)
    train_experts(config)
    before = {path: path.read_bytes() for path in (config.run.folder / "checkpoint.pt", config.expert_file)}
    with pytest.raises(TrainingError, match=sentence):
        train_experts(with_options(config, **change))
    assert all(path.read_bytes() == content for path, content in before.items())


@pytest.mark.parametrize("what", ["triplets", "encoder"])
def test_a_run_resumes_only_with_the_same_inputs(
    config: ExpertsTrainConfig, own_data: Path, write_encoder: Callable[..., Path], tmp_path: Path, what: str
) -> None:
    encoder = write_encoder()
    config = with_options(config, steps=2, data=own_data, encoder=encoder, cache=tmp_path / "cache")
    train_experts(config)
    if what == "triplets":
        metadata = own_data / "train" / "metadata.jsonl"
        metadata.write_text("\n".join(metadata.read_text().splitlines()[1:]))
    else:
        write_encoder(proj_dim=7).replace(encoder)
    with pytest.raises(TrainingError, match="holds a run on other triplets, another base model, another style encoder"):
        train_experts(with_options(config, steps=4))


def test_a_wrong_base_model_is_refused_before_any_work(config: ExpertsTrainConfig, tmp_path: Path) -> None:
    (tmp_path / "sd").mkdir()
    index = {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}
    (tmp_path / "sd" / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(TrainingError, match="is a StableDiffusionPipeline, expected a FLUX"):
        train_experts(with_options(config, base=str(tmp_path / "sd")))
    assert not config.run.folder.exists()


def test_a_result_that_cannot_be_written_is_refused_before_any_work(config: ExpertsTrainConfig, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError, match=r"file/x\.safetensors cannot be written"):
        train_experts(with_options(config, output=tmp_path / "file" / "x.safetensors", base="none"))
    assert not config.run.folder.exists()


def test_a_disk_that_is_full_at_the_end_loses_no_training(
    config: ExpertsTrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise SafetensorError("No space left on device")

    config = with_options(config, steps=2)
    with monkeypatch.context() as patch:
        patch.setattr(saving, "save_file", full)
        with pytest.raises(StyleExpertError, match=r"could not be written \(No space left on device\)"):
            train_experts(config)
    monkeypatch.setattr(ExpertsTrainer, "compute_losses", None)  # no step is left to train
    train_experts(config)
    assert StyleExpert.open(config.expert_file).training["steps"] == 2


def test_flux_kontext_in_bfloat16_with_checkpointing(config: ExpertsTrainConfig) -> None:
    train_experts(with_options(config, precision="bf16", checkpointing=True, steps=2, batch=1, validate_every=2))
    assert StyleExpert.open(config.expert_file).training["steps"] == 2
    assert (config.run.folder / "validation" / "000002.png").is_file()
