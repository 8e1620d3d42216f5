"""Finding and reading the folders of runs, the table as Parquet, and refusals before any work."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from styleroute.cli import main
from styleroute.errors import DataError
from styleroute.evaluation.json_report import SCORES_FILE
from styleroute.evaluation.paper_scores import PaperScores
from styleroute.evaluation.protocols.scoring import SystemScores, write_protocol_scores
from styleroute.evaluation.protocols.style_expert import StyleTrial
from styleroute.evaluation.protocols.trial_list import write_trials
from styleroute.evaluation.report.config import ReportConfig
from styleroute.evaluation.report.make import PAGE_FILE, ROWS_FILE, make_report
from styleroute.evaluation.report.rows import COLUMNS, ScoredImage, plain_name, read_rows, tidy_table, write_rows
from styleroute.evaluation.report.runs import read_runs

from .synthetic import HOSTILE, METHODS, PHOTOS, SEEDS, STYLES, WRITERS, write_paper_styles, write_styles


def read(folder: Path):
    [run] = read_runs([str(folder)])
    return run


@pytest.mark.parametrize("name", WRITERS)
def test_the_scores_of_every_evaluation_are_read(runs_folder: Path, name: str) -> None:
    run = read(runs_folder / name)
    assert run.name == name
    assert {image.protocol.split(",")[0] for image in run.images} == {name}
    assert all(math.isfinite(value) for image in run.images for value in image.values.values())
    keys = [(image.protocol, image.method, *image.trial) for image in run.images]
    assert len(keys) == len(set(keys))


def test_styles_have_their_losses_seeds_images_and_routing(runs_folder: Path) -> None:
    run = read(runs_folder / "styles")
    unseen = [image for image in run.images if image.protocol == "styles, unseen" and image.method == "full"]
    assert len(unseen) == len(STYLES) * len(PHOTOS) * SEEDS
    assert {image.seed for image in unseen} == {0, 1}
    assert all(image.file is not None and image.file.is_file() for image in unseen)
    assert all(path.is_file() for path in unseen[0].inputs.values())
    assert len([image for image in run.images if image.protocol == "styles, losses"]) == 3 * len(STYLES) * len(PHOTOS)
    assert len(run.claims) == 3
    assert run.overlaps[0].name == "same style"
    assert run.routing is not None
    assert len(run.routing.usage) == 24


def test_two_style_images_of_one_style_and_content_are_two_trials(tmp_path: Path) -> None:
    trials = [StyleTrial(f"ink_{n}", "ink", "owl.jpg", f"{n}.png", 0) for n in range(2)]
    write_trials(tmp_path, {"contents": "photos"}, trials)
    values = PaperScores({"csd": np.array([0.1, 0.3])})
    write_protocol_scores(tmp_path, [SystemScores("ours", ["ink_0", "ink_1"], values, [Path("a.png"), Path("b.png")])])
    first, second = read(tmp_path).images
    assert (first.style, first.content, first.seed) == (second.style, second.content, second.seed)
    assert first.trial != second.trial
    assert (first.file, second.inputs["style image"].name) == (Path("a.png").absolute(), "1.png")


def test_files_of_older_versions_are_read(runs_folder: Path, tmp_path: Path) -> None:
    """They have no image files, no inputs, no trials of the losses, and dials with trials in one word."""
    for name in ("styles", "dials", "tiny"):
        content = json.loads((runs_folder / name / SCORES_FILE).read_text(encoding="utf-8"))
        if name == "styles":
            del content["loss_trials"], content["routing"]
            for trial in content["groups"][0]["trials"]:
                del trial["inputs"]
            for row in content["groups"][0]["rows"]:
                row["images"] = [{k: v for k, v in image.items() if k != "file"} for image in row["images"]]
        elif name == "dials":
            content["trials"] = [f"{trial['style']}_{trial['photo']}" for trial in content["trials"]]
        else:
            del content["sizes"][0]["edits"][0]["scenes"]
        (tmp_path / name).mkdir()
        (tmp_path / name / SCORES_FILE).write_text(json.dumps(content), encoding="utf-8")
        assert read(tmp_path / name).images


def test_a_folder_of_runs_and_names(runs_folder: Path) -> None:
    assert [run.name for run in read_runs([str(runs_folder)])] == sorted([*WRITERS, "again"])
    named = read_runs([f"ours={runs_folder / 'tiny'}", f"all={runs_folder}"])
    assert [run.name for run in named][:2] == ["ours", "all/again"]


def test_the_table_survives_parquet(runs_folder: Path, tmp_path: Path) -> None:
    runs = read_runs([str(runs_folder)])
    table = tidy_table({run.name: run.images for run in runs})
    path = write_rows(tmp_path / "new" / "rows.parquet", table)
    again = read_rows(path)
    pd.testing.assert_frame_equal(again, table)
    assert tuple(again.columns) == COLUMNS
    assert plain_name(HOSTILE) in set(again["style"])
    of_full = again.query("run == 'steering' and method == 'full' and metric == 'l1'")
    assert of_full["value"].mean() == pytest.approx(
        np.mean([image.values["l1"] for image in read(runs_folder / "steering").images if image.method == "full"])
    )


def test_names_that_cannot_be_written_are_escaped(tmp_path: Path) -> None:
    name = plain_name("\ud800" + "x" * 1000)
    assert len(name) <= 200
    write_rows(tmp_path / "rows.parquet", tidy_table({"a": [ScoredImage("tiny", name, "", "", 0, {"image": 1.0})]}))
    assert read_rows(tmp_path / "rows.parquet")["method"][0] == name


def test_other_files_are_no_rows(tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("no Parquet")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_rows(tmp_path / "text.parquet")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(DataError, match="has other columns"):
        read_rows(tmp_path / "other.parquet")
    with pytest.raises(DataError, match="cannot be read"):
        read_rows(tmp_path / "none.parquet")


def scores(folder: Path, content: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SCORES_FILE).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ({"loss": 1}, "is of another kind, expected the scores of `styleroute evaluate` paper-styles"),
        ([1, 2], "is of another kind"),
        ({"trials": ["a"], "rows": [{"images": [{"trial": 5}]}]}, "is damaged"),
        ({"trials": ["a"], "rows": [{"method": "m", "images": [{"trial": -1, "l1": 1.0}]}]}, "is damaged"),
        ({"trials": ["a"], "rows": [{"method": "m", "images": [{"trial": 0, "l1": "big"}]}]}, "is damaged"),
        ({"sizes": [{"size": [1, 2, 3]}], "settings": {}}, "is damaged"),
        ({"a": {"means": {}, "images": {"x": {}}, "problems": {}}}, "trials.json"),
        ({"trials": [], "rows": []}, "has no score of any image"),
    ],
)
def test_damaged_and_foreign_files_are_one_sentence(tmp_path: Path, content: object, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        read(scores(tmp_path / "run", content))


def test_wrong_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty has no scores\.json, expected the output of `styleroute evaluate`"):
        read_runs([str(tmp_path / "empty")])
    with pytest.raises(DataError, match="There is no folder"):
        read_runs([str(tmp_path / "nowhere")])
    with pytest.raises(DataError, match="There is no folder, expected"):
        read_runs([])
    folder = write_paper_styles(tmp_path / "paper", METHODS, STYLES[:2], 2)
    with pytest.raises(DataError, match="Two runs have the name 'paper'"):
        read_runs([str(folder), str(folder)])


def test_a_used_output_folder_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="exists and has files, expected a new folder"):
        make_report(ReportConfig(("nowhere",), tmp_path / "report"))
    with pytest.raises(DataError, match="is a file, expected a new folder"):
        make_report(ReportConfig(("nowhere",), tmp_path / "report" / "notes.txt"))
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["notes.txt"]


def test_a_refused_comparison_or_training_writes_nothing(tmp_path: Path) -> None:
    first = write_paper_styles(tmp_path / "first", METHODS, STYLES[:2], 2)
    second = write_paper_styles(tmp_path / "second", METHODS, STYLES[2:4], 2)
    with pytest.raises(DataError, match="have no common trial"):
        make_report(ReportConfig((str(first), str(second)), tmp_path / "out", compare=("first", "second")))
    with pytest.raises(DataError, match="has no TensorBoard file with a loss"):
        make_report(ReportConfig((str(first),), tmp_path / "out", trainings=(str(second),)))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"images": -1}, "images is -1, expected 0 or more"),
        ({"resamples": 5}, "resamples is 5, expected 100 to 100,000"),
        ({"methods": ("a", "b")}, "--methods is given without --compare"),
    ],
)
def test_impossible_options_are_refused(options: dict, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        ReportConfig(("x",), **options)


def test_the_command_writes_both_files_twice_the_same(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = write_styles(tmp_path / "run")
    for name in ("one", "two"):
        arguments = ["evaluate", "report", f"ours={folder}", "--output", str(tmp_path / name), "--resamples", "100"]
        assert main([*arguments, "--compare", "ours", "ours", "--methods", "full", "single LoRA"]) == 0
    assert "report.html" in capsys.readouterr().out
    for file in (PAGE_FILE, ROWS_FILE):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_the_command_refuses_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["evaluate", "report", str(tmp_path), "--output", str(tmp_path / "out")]) == 1
    assert "has no scores.json" in capsys.readouterr().err
