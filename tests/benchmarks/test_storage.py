"""`styleroute benchmark storage`: its style, its table, and what it says without ComfyUI-GGUF."""

import re
from pathlib import Path

import pytest
from rich.console import Console
from styleroute.benchmarks import storage
from styleroute.benchmarks.random_files import Blocks
from styleroute.errors import ComfyNotFound


def test_the_style_has_its_size_relative_to_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "BLOCKS", Blocks(hidden=256, double=1, single=1))
    state = storage.random_style(0.03)
    for key, down in state.items():
        if key.endswith("lora_A.weight"):
            change = state[key.replace("lora_A", "lora_B")] @ down
            weight_norm = storage.WEIGHT_SCALE * change.numel() ** 0.5
            assert change.norm() / weight_norm == pytest.approx(0.03, rel=0.1)


def test_the_table_has_a_row_for_each_form_and_style_size() -> None:
    errors = {"patch": 1.26, "branch": 0.0003}
    rows = [storage.StorageError("e4m3", size, errors, errors) for size in (0.03, 0.44)]
    console = Console(width=120, record=True)
    console.print(storage.storage_table(rows))
    text = console.export_text()
    assert len(re.findall(r"e4m3 +│ +0\.(03|44) │ +1\.3e\+00 │ +3\.0e-04", text)) == 2
    assert rows[0].text == "e4m3, style 0.03: patch 1.3e+00, branch 3.0e-04"


def test_gguf_needs_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(storage.GGUF_FOLDER, raising=False)
    assert storage.gguf_pack() == (
        [],
        "not measured, because COMFYUI_GGUF_PATH does not name a folder with ComfyUI-GGUF",
    )


def test_another_folder_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(storage.GGUF_FOLDER, str(tmp_path))
    with pytest.raises(ComfyNotFound, match=r"which is not ComfyUI-GGUF: expected dequant\.py in it"):
        storage.gguf_pack()


def test_the_python_package_is_needed_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "dequant.py").touch()
    monkeypatch.setenv(storage.GGUF_FOLDER, str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    folders, problem = storage.gguf_pack()
    assert folders == []
    assert "Python package gguf" in problem
