"""The calibration files that the nodes read: those that ship, a user's own, and broken ones."""

import json
from pathlib import Path

import pytest
from styleroute.attention import AttentionError

SMALL, FLUX = {"double": 3, "single": 6}, {"double": 19, "single": 38}


@pytest.fixture(scope="module")
def object_blocks(comfyui: Path):
    from styleroute.nodes.branch import object_blocks

    return object_blocks


def _write(folder: Path, name: str, **content) -> None:
    whole = {**SMALL, "blocks": "single 1", "measured": True, **content}
    (folder / name).write_text(json.dumps(whole))


def test_the_shipped_files_choose_blocks_and_say_where_they_come_from(object_blocks) -> None:
    files = {file.stem: json.loads(file.read_text()) for file in object_blocks.CALIBRATIONS.glob("*.json")}
    assert files.keys() == {"small-kontext", "flux-kontext"}
    assert (files["small-kontext"]["measured"], files["flux-kontext"]["measured"]) == (True, False)
    assert files["small-kontext"]["command"].startswith("styleroute calibrate ")
    assert set(files["small-kontext"]["figures"]) == {f"{level:g}" for level in files["small-kontext"]["noise_levels"]}
    assert "Not measured" in files["flux-kontext"]["source"]
    names = [block.name for block in object_blocks.calibrated_blocks(SMALL)]
    assert names == files["small-kontext"]["blocks"].split(", ")
    assert [block.name for block in object_blocks.calibrated_blocks(FLUX)] == [f"double {n}" for n in range(10, 19)]


def test_a_measured_file_wins_and_other_models_get_the_middle(object_blocks, tmp_path: Path) -> None:
    _write(tmp_path, "a.json", blocks="single 0", measured=False)
    _write(tmp_path, "b.json", blocks="single 1")
    assert [block.name for block in object_blocks.calibrated_blocks(SMALL, tmp_path)] == ["single 1"]
    others = object_blocks.calibrated_blocks({"double": 2, "single": 2}, tmp_path)
    assert [block.name for block in others] == ["double 1", "single 0"]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "[" * 100_000, '{"double": 3, "single": 6, "blocks": "single 9", "measured": true}',
     '{"double": "many", "single": 6, "blocks": "single 1", "measured": true}',
     '{"double": 3, "single": 6, "blocks": 4, "measured": true}'],
)  # fmt: skip
def test_a_broken_file_is_named_with_its_remedy(object_blocks, tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.json").write_text(text)
    with pytest.raises(AttentionError, match=r"mine\.json in the folder .* is not a calibration .*Write it again"):
        object_blocks.calibrated_blocks(SMALL, tmp_path)
