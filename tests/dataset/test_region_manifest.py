"""The manifest of RegionRoute's release and ours: one reader, and what it refuses."""

import json
from pathlib import Path

import pytest
from styleroute.dataset.region_manifest import Region, RegionExample, read_manifest, region_prompt, write_manifest
from styleroute.errors import DataError

ENTRY = {
    "prompt": "make the man in pixel-art style, keep other area unchanged",
    "image_path": "pixel-art/000000012345.png",
    "original_path": "coco/000000012345.png",
    "mask_dir": "masks",
    "image_name": "000000012345",
    "objects": {"man": "pixel-art", "hot dog": "pixel-art"},
}
FILES = (
    ENTRY["image_path"],
    ENTRY["original_path"],
    "masks/mask_000000012345_man.png",
    "masks/mask_000000012345_hot dog.png",
)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A manifest of the release beside a folder of images."""
    for name in FILES:
        path = tmp_path / "dataset" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    manifest = tmp_path / "prompts" / "pixel-art.json"
    manifest.parent.mkdir()
    manifest.write_text(json.dumps([ENTRY]))
    return manifest


def test_the_releases_layout_is_read(release: Path, tmp_path: Path) -> None:
    [example] = read_manifest(release, root=tmp_path / "dataset")
    folder = (tmp_path / "dataset").resolve()
    assert example.prompt == ENTRY["prompt"]
    assert (example.styled, example.original) == (folder / ENTRY["image_path"], folder / ENTRY["original_path"])
    assert example.regions == (
        Region("man", "pixel-art", folder / "masks" / "mask_000000012345_man.png"),
        Region("hot dog", "pixel-art", folder / "masks" / "mask_000000012345_hot dog.png"),
    )
    assert example.styles == ("pixel-art",)
    assert set(example.files) == {folder / name for name in FILES}


def test_paths_are_relative_to_the_manifest_unless_a_root_is_given(release: Path, tmp_path: Path) -> None:
    own = tmp_path / "dataset" / "prompts.json"
    own.write_text(release.read_text())
    assert read_manifest(own) == read_manifest(release, root=tmp_path / "dataset")
    with pytest.raises(DataError, match=r"no example with all of its files in .*prompts .*--root"):
        read_manifest(release)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    folder = tmp_path.resolve() / "train"
    names = ("original/01.png", "styled/01_boat.png", "masks/mask_01_boat.png")
    original, styled, mask = (folder / name for name in names)
    for path in (original, styled, mask):
        path.parent.mkdir(parents=True)
        path.touch()
    prompt = region_prompt("boat", "ink comic")
    assert prompt == "make the boat in ink comic style, keep other area unchanged"
    examples = [RegionExample(prompt, original, styled, (Region("boat", "ink comic", mask),))]
    write_manifest(folder, examples)
    assert read_manifest(tmp_path, "train") == examples
    [entry] = json.loads((folder / "manifest.json").read_text())
    assert entry.keys() == ENTRY.keys()
    assert (entry["image_name"], entry["mask_dir"], entry["objects"]) == ("01", "masks", {"boat": "ink comic"})


def test_an_object_without_a_style_is_null(tmp_path: Path) -> None:
    folder = tmp_path.resolve() / "train"
    original, masks = folder / "original/01.png", [folder / f"masks/mask_01_{name}.png" for name in ("boat", "owl")]
    for path in (original, *masks):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    regions = (Region("boat", "", masks[0]), Region("owl", "", masks[1]))
    write_manifest(folder, [RegionExample("a boat and an owl", original, original, regions)])
    [entry] = json.loads((folder / "manifest.json").read_text())
    assert entry["objects"] == {"boat": None, "owl": None}
    [example] = read_manifest(tmp_path, "train")
    assert example.regions == regions
    assert example.styles == ()


def test_what_lacks_a_file_is_skipped_and_printed(release: Path, tmp_path: Path, capsys) -> None:
    release.write_text(json.dumps([ENTRY, {**ENTRY, "image_name": "other"}]))
    assert len(read_manifest(release, root=tmp_path / "dataset")) == 1
    shown = capsys.readouterr().out.replace("\n", "")
    assert "Skipped 1 of 2 examples" in shown
    assert "mask_other_man.png" in shown


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('{"prompt": 1}', "holds a dict, expected a list of examples"),
        ("[]", r"no example with all .*\(0 lack a file, the first one none\)"),
        ("[3]", "entry 1, is not an example"),
        (json.dumps([ENTRY, {**ENTRY, "objects": {}}]), r"entry 2, is not an example .*it has no object"),
        (json.dumps([{**ENTRY, "objects": ["man"]}]), "entry 1, is not an example"),
        (json.dumps([{**ENTRY, "objects": {"man": 3}}]), "3 is not a text"),
        (json.dumps([{**ENTRY, "prompt": " "}]), "' ' is not a text"),
        (json.dumps([{name: value for name, value in ENTRY.items() if name != "mask_dir"}]), "mask_dir"),
    ],
)
def test_other_files_are_refused_with_what_was_expected(
    release: Path, tmp_path: Path, text: str, sentence: str
) -> None:
    release.write_text(text)
    with pytest.raises(DataError, match=sentence):
        read_manifest(release, root=tmp_path / "dataset")


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train/manifest\.json is missing: make one with `styleroute data regions`"):
        read_manifest(tmp_path, "train")
