"""Style files: a saved style comes back to the bit, and damaged, foreign or hostile files are refused."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from styleroute.moe import Style, StyleExpert, StyleExpertError, load_style, save_style
from styleroute.moe.inspecting import inspect_file
from styleroute.moe.style_file import MAX_BYTES

from .conftest import expert_state

ENTRY = {"format": 1, "kind": "style", "name": "waves", "encoder": "0123456789abcdef", "references": 2}
TENSORS = {"style.embedding": torch.ones(1, 24)}


@pytest.fixture
def style() -> Style:
    pixels = torch.arange(64 * 48 * 3).reshape(64, 48, 3).to(torch.uint8)
    return Style(torch.randn(1, 3072), 3, "0123456789abcdef", "starry impasto", pixels)


@pytest.fixture
def crafted(written: Callable[..., Path]) -> Callable[..., Path]:
    """Writes a style file with changed tensors or a changed header entry."""

    def craft(tensors: dict | None = None, **changes: object) -> Path:
        entry = json.dumps(ENTRY | changes)
        return written(TENSORS if tensors is None else tensors, "crafted.safetensors", styleroute=entry)

    return craft


def test_a_style_comes_back_to_the_bit_from_a_small_file(style: Style, tmp_path: Path):
    path = tmp_path / "impasto.safetensors"
    save_style(path, style)
    loaded = load_style(path)
    assert torch.equal(loaded.embedding, style.embedding)
    assert torch.equal(loaded.thumbnail, style.thumbnail)
    assert (loaded.name, loaded.encoder_id, loaded.num_references) == ("starry impasto", style.encoder_id, 3)
    assert path.stat().st_size < 26 * 1024


def test_one_style_per_image_and_no_thumbnail(tmp_path: Path):
    many = Style(torch.randn(4, 24), 4, "ab")
    save_style(tmp_path / "many.safetensors", many)
    loaded = load_style(tmp_path / "many.safetensors")
    assert torch.equal(loaded.embedding, many.embedding)
    assert loaded.thumbnail is None
    assert loaded.name == "many"


def test_the_name_loses_invisible_characters(crafted):
    assert load_style(crafted(name="a\u202eb\x1b[31m\ud800\n c")).name == "ab[31m c"
    assert len(load_style(crafted(name="x" * 5000)).name) == 80


def test_an_existing_file_survives_a_failed_save(style: Style, tmp_path: Path, monkeypatch):
    path = tmp_path / "impasto.safetensors"
    save_style(path, style)

    def full(*_, **__) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("styleroute.moe.saving.save_file", full)
    with pytest.raises(StyleExpertError, match="an old file there stays unchanged"):
        save_style(path, Style(torch.ones(1, 5), 1, "ab"))
    assert load_style(path).embedding.shape == (1, 3072)


def test_a_target_without_the_suffix_and_a_huge_style_are_refused(style: Style, tmp_path: Path):
    with pytest.raises(StyleExpertError, match="expected a name that ends in"):
        save_style(tmp_path / "impasto.png", style)
    with pytest.raises(StyleExpertError, match="2000 rows"):
        save_style(tmp_path / "huge.safetensors", Style(torch.ones(2000, 3072), 2000, "ab"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"kind": "style-moe"}, "is no style file"),
        ({"format": 2}, "has style format 2, expected 1 or lower. Update StyleRoute"),
        ({"format": "1"}, "its header entry 'styleroute' is unreadable"),
        ({"encoder": "no/hex " * 3}, "header entry 'styleroute' is unreadable"),
        ({"encoder": "a" * 100}, "header entry 'styleroute' is unreadable"),
        ({"encoder": ["a"]}, "header entry 'styleroute' is unreadable"),
        ({"references": 0}, "header entry 'styleroute' is unreadable"),
        ({"references": True}, "header entry 'styleroute' is unreadable"),
        ({"name": {"a": 1}}, "header entry 'styleroute' is unreadable"),
    ],
)
def test_impossible_headers_are_refused(crafted, changes: dict, sentence: str):
    with pytest.raises(StyleExpertError, match=sentence):
        load_style(crafted(**changes))


@pytest.mark.parametrize(
    ("tensors", "sentence"),
    [
        ({"style.thumbnail": torch.zeros(2, 2, 3, dtype=torch.uint8)}, "it lacks style.embedding"),
        ({"style.embedding": torch.ones(24)}, r"style.embedding is F32 \[24\], expected floating point"),
        ({"style.embedding": torch.ones(1, 24, dtype=torch.int32)}, "style.embedding is I32"),
        ({"style.embedding": torch.full((1, 24), float("nan"))}, "NaN or infinite numbers in style.embedding"),
        ({"style.embedding": torch.zeros(1, 24)}, "holds a style without a direction"),
        ({**TENSORS, "code": torch.ones(1)}, "unknown tensor 'code'"),
        ({"style.embedding": torch.ones(1, MAX_BYTES // 4)}, "bytes, expected at most"),
        ({**TENSORS, "style.thumbnail": torch.zeros(600, 2, 3, dtype=torch.uint8)}, "style.thumbnail is U8"),
        ({**TENSORS, "style.thumbnail": torch.zeros(4, 4, dtype=torch.uint8)}, "style.thumbnail is U8"),
        ({**TENSORS, "style.thumbnail": torch.zeros(4, 4, 3)}, "style.thumbnail is F32"),
    ],
)
def test_impossible_tensors_are_refused(crafted, tensors: dict, sentence: str):
    with pytest.raises(StyleExpertError, match=sentence):
        load_style(crafted(tensors))


@pytest.mark.parametrize("text", ["{", "[]", "null", "[" * 100_000])
def test_entries_that_are_no_table_are_refused(written, text: str):
    with pytest.raises(StyleExpertError, match="is no style file"):
        load_style(written(TENSORS, styleroute=text))


def test_cut_foreign_and_missing_files_are_refused(style: Style, tmp_path: Path, written):
    path = tmp_path / "cut.safetensors"
    save_style(path, style)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(StyleExpertError, match="cut short"):
        load_style(path)
    with pytest.raises(StyleExpertError, match="is no style file"):
        load_style(written(expert_state()))
    with pytest.raises(StyleExpertError, match="cannot be read"):
        load_style(tmp_path / "none.safetensors")


def test_a_style_file_instead_of_experts_is_named(crafted):
    with pytest.raises(StyleExpertError, match="is a style from Save Style"):
        StyleExpert.open(crafted())


def test_inspect_shows_a_style_file_and_its_faults(crafted, style: Style, tmp_path: Path):
    save_style(tmp_path / "impasto.safetensors", style)
    report = inspect_file(tmp_path / "impasto.safetensors")
    assert (report.kind, report.problems) == ("style", [])
    lines = report.lines()
    assert lines[0] == "impasto.safetensors: style"
    assert "name: starry impasto" in lines
    assert "style encoder: 0123456789abcdef; 1 x 3072 numbers, from 3 reference images, with a thumbnail" in lines
    assert inspect_file(crafted(references=0)).problems
    assert inspect_file(crafted({"style.embedding": torch.full((1, 24), float("inf"))})).problems


def test_another_copy_of_the_entry_does_not_open_as_a_style(tmp_path: Path):
    save_file(TENSORS, tmp_path / "bare.safetensors")
    with pytest.raises(StyleExpertError, match="is no style file"):
        load_style(tmp_path / "bare.safetensors")
