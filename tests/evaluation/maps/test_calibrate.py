"""The whole command on the small random Kontext: both kinds of maps, the grounding LoRA, the file, and bad input."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from styleroute.attention import AttentionError
from styleroute.cli import main
from styleroute.dataset.objects import Cutout
from styleroute.dataset.region_scenes import ObjectScenesConfig, RegionScenes
from styleroute.dataset.region_writer import RegionReport, write_regions
from styleroute.errors import StorageError, StyleExpertError, TrainingError
from styleroute.evaluation.maps import scenes as scenes_module
from styleroute.evaluation.maps.calibrate import BASE, GROUNDED, Calibration, add_pairs, calibrate
from styleroute.evaluation.maps.calibration_file import as_json, as_text, write_calibration
from styleroute.evaluation.maps.capturing import KINDS, MapReader
from styleroute.evaluation.maps.config import CALIBRATIONS, CalibrationConfig
from styleroute.evaluation.maps.scenes import load_scenes
from styleroute.evaluation.maps.tables import block_table, kind_table
from styleroute.flux.velocity import Reference, predict_velocity
from styleroute.moe import ExpertConfig, StyleExpert, save_expert
from styleroute.training.bases import Base, load_base
from styleroute.training.regions.lora import add_lora


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch, photo, objects: list[Cutout]) -> None:
    """A photo of noise and two test objects, the bear and the trophy."""
    kept = [Cutout(name, cutout.pixels) for name, cutout in zip(("bear", "trophy"), objects, strict=True)]
    monkeypatch.setattr(scenes_module, "load_photos", lambda split, cache: [photo])
    monkeypatch.setattr(scenes_module, "load_objects", lambda cache: kept)


@pytest.fixture
def config(sources, kontext_folder: Path, tmp_path: Path) -> CalibrationConfig:
    return CalibrationConfig(
        base=str(kontext_folder), scenes=2, size=64, text_tokens=77, output=tmp_path / "calibration.json"
    )


@pytest.fixture(scope="module")
def base(kontext_folder: Path) -> Base:
    return load_base(str(kontext_folder), dtype=torch.float32, text_tokens=77)


@pytest.fixture
def lora(base: Base, tmp_path: Path) -> Path:
    """A plain LoRA that changes the attention a lot."""
    torch.manual_seed(1)
    weights = {name: torch.randn(weight.shape) for name, weight in add_lora(base.transformer(), rank=2).items()}
    save_expert(tmp_path / "ground.safetensors", weights, ExpertConfig.plain_lora(2, base.name), None)
    return tmp_path / "ground.safetensors"


def with_values(config: CalibrationConfig, **values) -> CalibrationConfig:
    return CalibrationConfig(**{**vars(config), **values})


@pytest.fixture
def calibration(config: CalibrationConfig, lora: Path) -> Calibration:
    return calibrate(with_values(config, lora=lora))


def test_scenes_name_their_objects_in_both_orders(config: CalibrationConfig, base: Base) -> None:
    found = load_scenes(with_values(config, scenes=6), base)
    assert {count: len(group) for count, group in found.items()} == {1: 6, 2: 6}
    for count, group in found.items():
        assert all(scene.masks.shape == (count, 4, 4) for scene in group)
        assert all(scene.masks.amax((1, 2)).min() > 0 for scene in group)
    # The first object of the prompt is the left one in half of the scenes only.
    columns = torch.arange(4.0)
    lefts = [(scene.masks.sum(1) * columns).sum(1) / scene.masks.sum((1, 2)) for scene in found[2]]
    assert [bool(left[0] < left[1]) for left in lefts] == [True, False] * 3


def test_the_maps_belong_to_the_same_forward_pass_and_change_nothing(config: CalibrationConfig, base: Base) -> None:
    [scene, *_] = load_scenes(config, base)[2]
    latents, noise = torch.randn(2, 1, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    text, transformer = base.encode_prompts([scene.prompt]), base.transformer()
    arguments = noise, [Reference(latents)], torch.ones(1) / 2, text, torch.ones(1)
    with torch.no_grad():
        before = predict_velocity(transformer, *arguments)
        reader = MapReader(transformer, torch.device("cpu"))
        maps = reader.read(scene, latents, text, noise, 0.95)
        torch.testing.assert_close(predict_velocity(transformer, *arguments), before, rtol=0, atol=1e-6)
    assert reader.counts == {"double": 1, "single": 1}
    assert {kind: tuple(found.shape) for kind, found in maps.items()} == dict.fromkeys(KINDS, (2, 2, 4, 4))
    similarity = maps["output similarity"]
    assert ((similarity.sum(1) < 1) & (similarity.amin(1) > 0)).all(), "a softmax, less the background"


def test_the_lora_is_measured_on_the_same_scenes_and_noise(calibration: Calibration) -> None:
    assert calibration.counts == {1: 2, 2: 2}
    assert calibration.measured.keys() == {BASE, GROUNDED}
    (_, one), (_, other) = calibration.measured.items()
    for key, scenes in one.scenes.items():
        for (maps, masks), (changed, same) in zip(scenes, other.scenes[key], strict=True):
            assert torch.equal(masks, same)
            assert not torch.equal(maps, changed)
    for kind in KINDS:
        assert calibration.blocks[kind] == one.best_blocks(kind)


def test_a_merged_lora_equals_pefts(base: Base, lora: Path) -> None:
    from safetensors.torch import load_file

    merged, adapter, plain = base.transformer(), base.transformer(), base.transformer()
    add_pairs(merged, StyleExpert.open(lora))
    adapter.load_lora_adapter(load_file(lora), prefix="transformer")
    latents, text = torch.randn(1, 16, 8, 8), (torch.randn(1, 5, 16), torch.randn(1, 16))
    arguments = latents, [Reference(latents)], torch.ones(1) / 2, text, torch.ones(1)
    with torch.no_grad():
        ours, pefts, without = (predict_velocity(model, *arguments) for model in (merged, adapter, plain))
    torch.testing.assert_close(ours, pefts, rtol=1e-4, atol=1e-5)
    assert (ours - without).abs().max() > 1e-3


def test_the_file_has_what_the_nodes_read_and_what_was_measured(calibration: Calibration) -> None:
    path = write_calibration(calibration)
    content = json.loads(path.read_text())
    assert content == json.loads(as_text(as_json(calibration)))
    assert (content["double"], content["single"], content["measured"]) == (1, 1, True)
    assert content["blocks"].split(", ") == list(calibration.blocks["attention"])
    assert content["noise_levels"] == [0.95, 0.4]
    assert content["scenes"] == {"with 1 object": 2, "with 2 objects": 2}
    assert content["grounding_lora"] == "ground.safetensors"
    assert content["figures_by_block"].keys() == {"double 0", "single 0"}
    for name in ("figures", "figures_with_the_lora", *content["figures_by_block"]):
        levels = content.get(name) or content["figures_by_block"][name]
        assert levels.keys() == {"0.95", "0.4"}
        for figures in levels.values():
            assert all(0 <= value <= 1 for value in figures.values())
    assert str(path.parent) not in path.read_text(), "no folder of this machine"
    assert len(path.read_text().splitlines()) == 2 + len(content) + len(content["figures_by_block"]) + 1


def test_the_tables_show_each_block_and_each_kind(calibration: Calibration) -> None:
    table = block_table(calibration.measured[BASE], BASE)
    assert (table.row_count, len(table.columns)) == (2, 1 + 4 * 2)
    # Two kinds, the chosen blocks and all blocks, one and two objects.
    assert [kind_table(calibration, model).row_count for model in (BASE, GROUNDED)] == [8, 8]


def test_the_command_prints_the_tables_and_writes_the_file(
    config: CalibrationConfig, capsys: pytest.CaptureFixture
) -> None:
    arguments = ["--base", config.base, "--scenes", "1", "--size", "64", "--text-tokens", "77", "--blocks", "single"]
    assert main(["calibrate", *arguments, "--noise", "0.7", "--output", str(config.output)]) == 0
    shown = capsys.readouterr().out
    assert "Two kinds of maps" in shown
    content = json.loads(config.output.read_text())
    assert (content["blocks"], content["noise_levels"]) == ("single 0", [0.7])
    assert '--noise 0.7 --size 64 --blocks "single"' in content["command"]


def test_a_dataset_of_ones_own_is_read(config: CalibrationConfig, base: Base, photo, objects, tmp_path: Path) -> None:
    made = ObjectScenesConfig(scenes=1, test_scenes=8, size=96)
    kept = [Cutout(name, cutout.pixels) for name, cutout in zip(("bear", "trophy"), objects, strict=True)]
    splits = {split: RegionScenes(split, made, [photo], [*objects, *kept]) for split in ("train", "test")}
    write_regions(tmp_path / "set", splits, RegionReport(made))
    found = load_scenes(with_values(config, data=tmp_path / "set"), base)
    assert {count: len(group) for count, group in found.items()} == {1: 2, 2: 2}
    assert {scene.image.shape for group in found.values() for scene in group} == {(96, 96, 3)}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"scenes": 0}, "scenes is 0, expected 1 or more"),
        ({"size": 100}, "size is 100, expected a multiple of 16"),
        ({"noise": ()}, "noise is empty, expected levels above 0"),
        ({"noise": (0.5, 1.5)}, r"noise is \(0.5, 1.5\), expected levels above 0, up to 1"),
    ],
)
def test_impossible_values_are_refused(values: dict, sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        CalibrationConfig(**values)


@pytest.fixture
def no_run(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails if anything is measured."""
    monkeypatch.setattr(MapReader, "read", lambda *_: pytest.fail("a faulty input was measured"))
    return


def test_faulty_inputs_are_refused_before_anything_is_measured(
    config: CalibrationConfig, no_run: None, tmp_path: Path
) -> None:
    key = "transformer.transformer_blocks.7.attn.to_q"
    deep = {f"{key}.lora_A.weight": torch.ones(2, 32), f"{key}.lora_B.weight": torch.ones(32, 2)}
    save_expert(tmp_path / "deep.safetensors", deep, ExpertConfig.plain_lora(2, "flux-kontext"), None)
    with pytest.raises(
        TrainingError, match=r"deep\.safetensors changes the layer .*no such layer: give the LoRA's own"
    ):
        calibrate(with_values(config, lora=tmp_path / "deep.safetensors"))
    with pytest.raises(StyleExpertError):
        calibrate(with_values(config, lora=tmp_path / "none.safetensors"))
    with pytest.raises(AttentionError, match="Block double 9 was chosen"):
        calibrate(with_values(config, blocks="double 9"))
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(StorageError, match="is a folder, expected a file"):
        calibrate(with_values(config, output=tmp_path / "folder.json"))
    assert not config.output.exists()


def test_the_file_of_a_base_model_is_named_after_it() -> None:
    assert CalibrationConfig().file == CALIBRATIONS / "small-kontext.json"
    flux = CalibrationConfig(base="black-forest-labs/FLUX.1-Kontext-dev")
    assert flux.file == CALIBRATIONS / "flux-1-kontext-dev.json"
    assert np.all([path.is_file() for path in CALIBRATIONS.glob("*.json")])
