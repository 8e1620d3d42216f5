"""Both protocols: trials are complete, repeatable and named; folders of other systems are found and scored."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from styleroute.errors import DataError
from styleroute.evaluation.metric_models import MetricModels
from styleroute.evaluation.metrics import background_mse
from styleroute.evaluation.paper_scores import STYLE_EXPERT_COLUMNS, PaperScores
from styleroute.evaluation.protocols.region_route import STYLES, RegionProtocol, region_trials, score_regions
from styleroute.evaluation.protocols.result_folders import ResultFolder, result_folders
from styleroute.evaluation.protocols.scoring import protocol_table, score_folders, write_protocol_scores
from styleroute.evaluation.protocols.style_expert import StyleProtocol, score_styles, style_trials

from .conftest import save_noise


@pytest.fixture
def no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MetricModels:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "torch_hub"))
    return MetricModels(folder=tmp_path / "models", device="cpu")


def test_the_papers_size_is_the_default(tmp_path: Path) -> None:
    paper = StyleProtocol(tmp_path, tmp_path, tmp_path)
    assert 21 * paper.pairs * paper.seeds == 2100


def test_each_style_has_different_pairs_with_all_seeds(protocol: StyleProtocol) -> None:
    trials = style_trials(protocol)
    assert Counter(trial.style for trial in trials) == {"ink": 10, "mosaic": 10, "wool": 10}
    assert len({trial.name for trial in trials}) == 30
    assert len({(trial.content, trial.reference) for trial in trials if trial.style == "ink"}) == 5
    assert {trial.seed for trial in trials} == {0, 1}
    assert all(Path(trial.reference).parent.name == trial.style for trial in trials)


def test_a_text_beside_a_content_image_is_its_prompt(protocol: StyleProtocol) -> None:
    (protocol.contents / "2.txt").write_text(" a dog \n", encoding="utf-8")
    (protocol.contents / "3.txt").write_text("", encoding="utf-8")
    prompts = {Path(trial.content).stem: trial.prompt for trial in style_trials(protocol)}
    assert prompts.pop("2") == "a dog"
    assert set(prompts.values()) == {"an image"}


def test_the_list_is_read_again_and_keeps_its_settings(protocol: StyleProtocol) -> None:
    trials = style_trials(protocol)
    assert style_trials(protocol) == trials
    other = StyleProtocol(protocol.contents, protocol.styles, protocol.output, pairs=3)
    with pytest.raises(DataError, match=r"made with other settings \(pairs\)"):
        style_trials(other)
    (protocol.output / "trials.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="is no list of trials"):
        style_trials(protocol)


def test_too_few_images_or_styles_are_refused(protocol: StyleProtocol) -> None:
    folders = protocol.contents, protocol.styles, protocol.output
    with pytest.raises(DataError, match="gives 8 pairs with 4 contents, expected 9"):
        style_trials(StyleProtocol(*folders, pairs=9))
    with pytest.raises(DataError, match="has 3 folders of styles, expected 4"):
        style_trials(StyleProtocol(*folders, style_count=4, pairs=1))
    with pytest.raises(DataError, match="seeds is 0"):
        StyleProtocol(*folders, seeds=0)
    (protocol.contents / "broken.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"broken\.png cannot be read"):
        style_trials(protocol)
    assert not protocol.output.exists()


def test_folders_of_two_systems_are_scored_by_name(protocol: StyleProtocol, tmp_path: Path) -> None:
    trials = style_trials(protocol)
    for number, trial in enumerate(trials):
        save_noise(tmp_path / "a" / f"{trial.name}.png", number)
    save_noise(tmp_path / "b" / f"{trials[3].name}.jpg")
    folders = result_folders([f"ours={tmp_path / 'a'}", str(tmp_path / "b")])

    def score(some, files) -> PaperScores:
        assert [path.stem for path in files] == [trial.name for trial in some]
        return PaperScores({"clip": np.array([float(trial.seed) for trial in some])}, {"dino": "DINO is missing."})

    systems = score_folders(folders, trials, score)
    assert [(one.name, len(one.trials)) for one in systems] == [("ours", 30), ("b", 1)]
    assert systems[0].scores.values["clip"].mean() == 0.5
    cells = [list(column.cells) for column in protocol_table("", STYLE_EXPERT_COLUMNS, systems, 30).columns]
    assert (cells[1], cells[2], cells[-1]) == (["0.500", "1.000"], ["", ""], ["30 of 30", "1 of 30"])
    written = json.loads(write_protocol_scores(tmp_path, systems).read_text(encoding="utf-8"))
    assert written["b"]["images"] == {trials[3].name: {"clip": 1.0}}


def test_folders_without_results_are_refused(protocol: StyleProtocol, tmp_path: Path) -> None:
    names = [trial.name for trial in style_trials(protocol)]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"has no image of the 30 trials, expected for instance ink_000_0\.png"):
        ResultFolder("empty", tmp_path / "empty").find(names)
    with pytest.raises(DataError, match="There is no folder"):
        result_folders([str(tmp_path / "nowhere")])
    with pytest.raises(DataError, match="have the name 'x'"):
        result_folders([f"x={tmp_path}", f"x={tmp_path / 'empty'}"])
    (tmp_path / "empty" / f"{names[0]}.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="cannot be read as an image"):
        ResultFolder("empty", tmp_path / "empty").find(names)


def test_missing_models_leave_their_columns_out(protocol: StyleProtocol, no_models: MetricModels) -> None:
    trials = style_trials(protocol)[:2]
    scores = score_styles(trials, [Path(trial.content) for trial in trials], no_models)
    assert scores.values == {}
    assert scores.problems.keys() == {column.key for column in STYLE_EXPERT_COLUMNS} - {"semantic"} | {"vlm"}


def test_every_object_gets_the_papers_four_styles_and_prompts(regions: RegionProtocol) -> None:
    trials = region_trials(regions)
    assert [trial.style for trial in trials] == list(STYLES)
    assert trials[0].name == "dog_1_pixel-art"
    assert trials[0].prompt == "make the dog in pixel art style, keep other area unchanged"
    assert region_trials(regions) == trials
    assert {path.name for path in regions.output.rglob("*.*")} == {"trials.json", "dog_1.png"}


def test_the_background_of_results_is_scored_outside_the_mask(
    regions: RegionProtocol, tmp_path: Path, no_models: MetricModels
) -> None:
    trials = region_trials(regions)[:2]
    photo = np.asarray(Image.open(regions.output / trials[0].photo))
    styled = photo.copy()
    styled[:32, :32] = 0
    spilled = 255 - photo
    files = [tmp_path / f"{number}.png" for number in range(2)]
    for path, image in zip(files, (styled, spilled), strict=True):
        Image.fromarray(image).save(path)
    scores = score_regions(regions.output, trials, files, no_models)
    outside = np.ones((64, 64), bool)
    outside[:32, :32] = False
    np.testing.assert_allclose(scores.values["background_mse"], [0, background_mse(photo, spilled, outside)])
    assert scores.problems.keys() == {"clip", "lpips", "vlm"}
    Image.new("RGB", (64, 32)).save(files[0])
    with pytest.raises(DataError, match="expected a square"):
        score_regions(regions.output, trials, files, no_models)


def test_a_dataset_with_too_few_objects_leaves_no_list(regions: RegionProtocol) -> None:
    more = RegionProtocol("big", regions.data, regions.output, photos=2, side=64)
    with pytest.raises(DataError, match="Found 1 photos with a fitting object among 1, expected 2"):
        region_trials(more)
    assert not (regions.output / "trials.json").exists()
