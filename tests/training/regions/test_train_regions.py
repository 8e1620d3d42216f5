"""The whole command: from a manifest to one LoRA per style that every loader reads, and its error messages."""

import gc
import json
import os
import signal
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FluxKontextPipeline, FluxTransformer2DModel
from PIL import Image
from safetensors.torch import load_file
from styleroute.attention import PRESETS as LOSSES
from styleroute.attention import AttentionError
from styleroute.errors import StorageError, TrainingError
from styleroute.flux.velocity import Reference, predict_velocity
from styleroute.interruption import Stopped
from styleroute.moe import StyleExpert
from styleroute.training.adapters.config import with_options
from styleroute.training.bases import Base
from styleroute.training.bases.kontext import KontextBase
from styleroute.training.regions.config import RELEASE, RegionTrainConfig
from styleroute.training.regions.examples import RegionExamples
from styleroute.training.regions.train_regions import train_regions
from styleroute.training.regions.trainer import RegionTrainer


def _velocity(transformer: FluxTransformer2DModel) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    noisy, content = torch.randn(2, 1, 16, 8, 8, generator=generator)
    text = torch.randn(1, 5, 16, generator=generator), torch.randn(1, 16, generator=generator)
    with torch.no_grad():
        return predict_velocity(transformer, noisy, [Reference(content)], torch.ones(1) / 2, text, torch.ones(1))


def _remove_dusk_from_prompts(data: Path) -> None:
    manifest = data / "train" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("in dusk style", "in some style"))


def test_diffusers_peft_and_our_own_reader_give_the_same_effect(config: RegionTrainConfig, base: Base) -> None:
    [file] = train_regions(with_options(config, rate=0.1))
    assert file == config.run.folder / "woven.safetensors"
    state = load_file(file)
    expert = StyleExpert.open(file)
    assert (expert.config.kind, expert.config.rank, expert.config.scale) == ("lora", 4, 1.0)
    assert len(expert.layers) == 4 + 3
    assert {name.rsplit(".", 2)[1] for name in state} == {"lora_A", "lora_B"}

    merged = base.transformer()
    for layer, pair in expert.collapse(None).items():
        merged.get_submodule(layer).weight.data += pair.up @ pair.down
    pipeline = FluxKontextPipeline.from_pretrained(config.model.base)
    pipeline.load_lora_weights(file)
    adapter = base.transformer()
    adapter.load_lora_adapter(state, prefix="transformer")
    ours, theirs, pefts, without = map(_velocity, (merged, pipeline.transformer, adapter, base.transformer()))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours, pefts, atol=1e-5, rtol=1e-5)
    assert (ours - without).abs().max() > 1e-3


def test_the_file_has_the_trained_weights_and_the_training_summary(config: RegionTrainConfig) -> None:
    [file] = train_regions(with_options(config, steps=2))
    checkpoint = torch.load(config.run.folder / "woven" / "checkpoint.pt", weights_only=True)["adapter"]
    state = load_file(file)
    assert all(torch.equal(state[name], weight) for name, weight in checkpoint.items())
    summary = StyleExpert.open(file).training
    assert (summary["style"], summary["steps"], summary["rate"]) == ("woven", 2, 1e-2)
    assert (summary["blocks"], summary["supervise"]) == (["double 0", "single 0"], "mean-map")
    assert summary["reference_index"] == 1


def test_half_the_precision_is_half_the_file(config: RegionTrainConfig) -> None:
    [file] = train_regions(with_options(config, steps=2))
    whole = load_file(file)
    [file] = train_regions(with_options(config, steps=2, half=True))  # writes the file of the finished run again
    halved = load_file(file)
    assert {weight.dtype for weight in halved.values()} == {torch.float16}
    assert all(torch.equal(weight.half(), halved[name]) for name, weight in whole.items())


def test_images_of_other_styles_are_not_encoded(config: RegionTrainConfig) -> None:
    train_regions(with_options(config, steps=1, styles=("dusk",)))
    listed = (config.run.cache / "dusk" / "train" / "latents" / "index.json").read_text()
    assert "dusk" in listed
    assert "woven" not in listed


def test_each_style_has_an_expert_of_its_own(config: RegionTrainConfig) -> None:
    both = with_options(config, styles=(), steps=2, output=config.run.folder / "loras")
    files = train_regions(both)
    assert [file.name for file in files] == ["woven.safetensors", "dusk.safetensors"]
    first, second = map(load_file, files)
    assert any(not torch.equal(weight, second[name]) for name, weight in first.items())
    # A style that is trained alone gets the same weights.
    alone = with_options(config, steps=2, run=config.run.folder / "alone", styles=("dusk",))
    [file] = train_regions(alone)
    assert all(torch.equal(weight, second[name]) for name, weight in load_file(file).items())


def test_one_transformer_at_a_time_is_loaded(config: RegionTrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device may have room for one only, also when the trainings of variants follow each other."""
    loaded, load = [], KontextBase.transformer

    def counted(base: KontextBase) -> FluxTransformer2DModel:
        assert not any(transformer() is not None for transformer in loaded), "an earlier transformer is still loaded"
        transformer = load(base)
        loaded.append(weakref.ref(transformer))
        return transformer

    monkeypatch.setattr(KontextBase, "transformer", counted)
    gc.disable()
    try:
        for name in ("one", "other"):
            train_regions(with_options(config, styles=(), steps=1, run=config.run.folder / name, precision="bf16"))
    finally:
        gc.enable()
    assert len(loaded) == 4


def test_the_optimizer_is_stored_as_it_was_chosen(config: RegionTrainConfig) -> None:
    train_regions(with_options(config, steps=1, optimizer="auto"))
    stored = json.loads((config.run.folder / "woven" / "config.json").read_text())
    assert stored["optimisation"]["optimizer"] == "adamw"


def test_a_finished_style_is_not_trained_again(config: RegionTrainConfig) -> None:
    train_regions(with_options(config, steps=2))
    checkpoint = (config.run.folder / "woven" / "checkpoint.pt").read_bytes()
    train_regions(with_options(config, steps=2, styles=("woven", "dusk")))
    assert (config.run.folder / "woven" / "checkpoint.pt").read_bytes() == checkpoint
    assert StyleExpert.open(config.run.folder / "dusk.safetensors").training["steps"] == 2


def test_a_run_can_be_extended(config: RegionTrainConfig) -> None:
    whole, pieces = (with_options(config, steps=4, run=config.run.folder / name) for name in ("whole", "pieces"))
    [expected] = train_regions(whole)
    train_regions(with_options(pieces, steps=3, minutes=5.0))
    [file] = train_regions(pieces)
    assert all(torch.equal(load_file(file)[name], weight) for name, weight in load_file(expected).items())


def test_the_time_limit_leaves_the_other_styles_untrained(
    config: RegionTrainConfig, capsys: pytest.CaptureFixture
) -> None:
    assert train_regions(with_options(config, styles=(), minutes=1e-9)) == ()
    assert "The time limit came before woven; run the same command again to continue" in capsys.readouterr().out


def test_validation_generates_unseen_objects_and_changes_nothing(config: RegionTrainConfig) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    seen, blind = (with_options(config, steps=3, run=config.run.folder / name, validate_every=every)
                   for name, every in (("seen", 2), ("blind", 0)))  # fmt: skip
    train_regions(seen)
    train_regions(blind)
    one, other = (torch.load(run.run.folder / "woven" / "checkpoint.pt", weights_only=True)["losses"]
                  for run in (seen, blind))  # fmt: skip
    assert one == other
    sheets = sorted((seen.run.folder / "woven" / "validation").iterdir())
    assert [sheet.name for sheet in sheets] == ["000002.png", "000003.png"]
    height, width, _ = np.array(Image.open(sheets[0])).shape
    assert (height % 64, width) == (0, 5 * 64)  # original, mask, map, result, target
    curves = EventAccumulator(str(seen.run.folder / "woven" / "tensorboard")).Reload()
    assert [point.step for point in curves.Scalars("validation/iou")] == [2, 3]
    assert all(0 <= point.value <= 1 for point in curves.Scalars("validation/attention inside"))


@pytest.mark.parametrize("values", [RELEASE, {"precision": "bf16", "checkpointing": True}])
def test_other_choices_train_and_validate(config: RegionTrainConfig, values: Mapping) -> None:
    [file] = train_regions(with_options(config, steps=2, validate_every=2, **values))
    assert StyleExpert.open(file).training["steps"] == 2
    assert (config.run.folder / "woven" / "validation" / "000002.png").is_file()


def test_the_held_out_losses_have_the_parts_of_the_loss_and_repeat(
    config: RegionTrainConfig, make_trainer: Callable[..., RegionTrainer], woven: Callable[..., RegionExamples]
) -> None:
    trainer, examples = make_trainer(), woven()
    first, second = trainer.held_out_losses(examples), trainer.held_out_losses(examples)
    assert first == second
    assert first.keys() == {"flow", "focus", "cover", "loss"}
    objective = config.objective
    weighted = objective.focus_weight * first["focus"] + objective.cover_weight * first["cover"]
    assert first["loss"] == pytest.approx(first["flow"] + weighted, rel=1e-5)
    assert trainer.capture.spans is None


def test_exports_held_out_losses_and_the_users_own_images(config: RegionTrainConfig, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    Image.new("RGB", (90, 60), "navy").save(tmp_path / "cat.png")
    (tmp_path / "samples.jsonl").write_text(json.dumps({"image": "cat.png", "prompt": "make the cat woven"}))
    config = with_options(
        config, steps=2, validate_every=2, export_every=1, samples=tmp_path / "samples.jsonl", ema=0.5
    )
    [file] = train_regions(config)
    run = config.run.folder / "woven"
    assert sorted(path.name for path in (run / "validation").iterdir()) == ["000002.png", "own_000002.png"]
    exported = [run / "exports" / f"woven_{step:06}.safetensors" for step in (1, 2)]
    assert [StyleExpert.open(path).training["steps"] for path in exported] == [1, 2]
    average = torch.load(run / "checkpoint.pt", weights_only=True)["average"]
    for path in (exported[1], file):
        assert all(torch.equal(load_file(path)[name], weight) for name, weight in average.items())
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    assert {"held-out/loss", "held-out/flow", "held-out/focus", "held-out/cover"} <= {*events.Tags()["scalars"]}


def test_sigterm_saves_checkpoint_and_lora(config: RegionTrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    compute = RegionTrainer.compute_losses

    def terminated(trainer: RegionTrainer, number: int) -> dict:
        if trainer.step == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return compute(trainer, number)

    monkeypatch.setattr(RegionTrainer, "compute_losses", terminated)
    with pytest.raises(Stopped):
        train_regions(with_options(config, save_every=100))
    assert torch.load(config.run.folder / "woven" / "checkpoint.pt", weights_only=True)["step"] == 2
    assert StyleExpert.open(config.expert_file("woven")).training["steps"] == 2


def test_the_releases_manifest_trains(config: RegionTrainConfig, tmp_path: Path) -> None:
    """The release's JSON file is not beside its images."""
    manifest = tmp_path / "prompts" / "woven.json"
    manifest.parent.mkdir()
    entries = json.loads((config.data.folder / "train" / "manifest.json").read_text())
    manifest.write_text(json.dumps([entry for entry in entries if "woven" in entry["objects"].values()]))
    release = with_options(
        config, data=manifest, root=config.data.folder / "train", steps=2, validate_every=1, styles=()
    )
    [file] = train_regions(release)
    assert StyleExpert.open(file).training["examples"] == len(entries) // 2


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rate": 0.5}, r"holds a run with optimisation\.rate = 0\.01, this run has 0\.5"),
        ({"without": "cover"}, "without = 'nothing', this run has 'cover'"),
        ({"blocks": "double"}, r"blocks = 'all', this run has 'double'"),
    ],
)
def test_another_configuration_is_refused_and_loses_nothing(
    config: RegionTrainConfig, change: dict, sentence: str
) -> None:
    config = with_options(config, steps=2)
    [file] = train_regions(config)
    before = {path: path.read_bytes() for path in (config.run.folder / "woven" / "checkpoint.pt", file)}
    with pytest.raises(TrainingError, match=sentence):
        train_regions(with_options(config, **change))
    assert all(path.read_bytes() == content for path, content in before.items())


def test_wrong_styles_blocks_and_prompts_are_refused_before_any_work(
    config: RegionTrainConfig, own_data: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=r"has no style 'oil': give --styles of woven, dusk"):
        train_regions(with_options(config, styles=("woven", "oil")))
    with pytest.raises(AttentionError, match="Block double 7 was chosen, but this model has"):
        train_regions(with_options(config, blocks="double 7"))
    _remove_dusk_from_prompts(own_data)
    lost = with_options(config, data=own_data, cache=tmp_path / "cache", styles=())
    with pytest.raises(AttentionError, match=r"'dusk' is not in .* 'make the \w+ in some style"):
        train_regions(lost)
    assert not config.run.folder.exists()


def test_results_that_cannot_be_written_are_refused_before_any_work(config: RegionTrainConfig, tmp_path: Path) -> None:
    """The files of all styles are checked, not only the first."""
    (tmp_path / "loras" / "dusk.safetensors").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"dusk\.safetensors is a folder, expected a file"):
        train_regions(with_options(config, output=tmp_path / "loras", styles=(), base="none"))
    assert not config.run.folder.exists()


def test_losses_without_a_gradient_are_refused(config: RegionTrainConfig) -> None:
    """The mean of a softmax over the style's own tokens is constant."""
    with pytest.raises(TrainingError, match="Use --supervise every-map"):
        with_options(config, losses=LOSSES["release"])
    with_options(config, losses=LOSSES["release"], without="attention")


def test_each_style_is_encoded_once_after_all_prompts_are_checked(
    config: RegionTrainConfig, own_data: Path, tmp_path: Path
) -> None:
    config = with_options(config, steps=1, cache=tmp_path / "cache")
    train_regions(config)
    first = config.run.cache / "woven" / "train" / "latents" / "latents.npy"
    encoded = first.stat().st_mtime_ns
    train_regions(with_options(config, styles=(), run=config.run.folder / "both"))
    assert first.stat().st_mtime_ns == encoded
    assert (config.run.cache / "dusk").is_dir()
    _remove_dusk_from_prompts(own_data)
    with pytest.raises(AttentionError):
        train_regions(with_options(config, data=own_data, cache=tmp_path / "none", styles=(), run=tmp_path / "runs"))
    assert not (tmp_path / "none").exists()


def test_an_expert_without_attention_losses_records_no_blocks(config: RegionTrainConfig) -> None:
    [file] = train_regions(with_options(config, steps=1, without="attention"))
    assert StyleExpert.open(file).training["blocks"] == []
