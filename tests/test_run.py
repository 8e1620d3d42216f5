"""The bootstrap `run.py`: its installations, its stamp and its errors. These tests install nothing."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import styleroute

REQUIREMENTS = "comfyui-frontend-package==1.2.3\ntorch\ntorchaudio>=2\ntorchsde # noise\n\n# optional\nspandrel\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`run.py`, with its environment in an empty folder."""
    spec = importlib.util.spec_from_file_location("bootstrap", Path(styleroute.__file__).parent / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    for name in ("VENV", "PYTHON", "STAMP"):
        monkeypatch.setattr(module, name, tmp_path / "venv" / name.lower())
    monkeypatch.setattr(module, "VENV", tmp_path / "venv")
    return module


@pytest.fixture
def installed(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The arguments of every `pip install` call, which is replaced."""
    calls = []
    monkeypatch.setattr(run, "pip", lambda *arguments, may_fail=False: calls.append(arguments) or True)
    monkeypatch.setattr(run, "_has_torch", lambda: False)
    monkeypatch.setattr(run.venv, "create", lambda folder, **_: folder.mkdir())
    return calls


def make_comfyui(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "main.py").touch()
    (folder / "requirements.txt").write_text(REQUIREMENTS)
    return folder


def test_a_prepared_environment_is_not_changed(run: ModuleType, installed: list):
    run.prepare()
    assert {run.WITHOUT_REQUIREMENTS[0], "-e"} <= {argument for call in installed for argument in call}
    run.PYTHON.touch()
    installed.clear()
    run.prepare()
    assert installed == []


def test_requirements_of_another_comfyui_are_installed(run: ModuleType, installed: list, tmp_path: Path, monkeypatch):
    run.prepare()
    run.PYTHON.touch()
    installed.clear()
    monkeypatch.setenv("COMFYUI_PATH", str(make_comfyui(tmp_path / "comfyui")))
    run.prepare()
    assert installed[-1] == ("comfyui-frontend-package==1.2.3", "torchsde", "spandrel")


def test_requirements_of_the_comfyui_around_the_pack_are_read(run: ModuleType, tmp_path: Path, monkeypatch):
    comfyui = make_comfyui(tmp_path / "comfyui")
    monkeypatch.setattr(run, "ROOT", comfyui / "custom_nodes" / "StyleRoute")
    assert run._own_comfyui_requirements() == ["comfyui-frontend-package==1.2.3", "torchsde", "spandrel"]
    monkeypatch.setattr(run, "ROOT", comfyui / "elsewhere" / "StyleRoute")
    assert run._own_comfyui_requirements() == []


def test_the_environment_links_to_python_where_it_can(run: ModuleType, monkeypatch):
    """A copied interpreter may not find its library, as on macOS."""
    asked = {}
    monkeypatch.setattr(run.venv, "create", lambda folder, **options: asked.update(options))
    run._make_venv()
    assert asked["symlinks"] == (os.name != "nt")


def test_a_failed_install_is_one_sentence(run: ModuleType, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=1))
    with pytest.raises(SystemExit, match=r"pip could not install einops .* run the same command again"):
        run.pip("einops")
    assert run.pip("einops", may_fail=True) is False


def test_an_old_python_is_refused(run: ModuleType, monkeypatch):
    monkeypatch.setattr(run.sys, "version_info", (3, 9))
    with pytest.raises(SystemExit, match=r"expected 3\.11 or newer"):
        run.main(["demo"])


def test_without_a_command_it_prints_help(run: ModuleType, capsys: pytest.CaptureFixture):
    assert run.main([]) == 0
    assert "python run.py demo" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot replace a process")
def test_a_command_gets_the_signals_that_are_sent_to_run_py() -> None:
    """A child would go on after `kill`, and Ctrl-C would end it before it has saved its work."""
    code = "import os, run, sys; print(os.getpid(), flush=True)\n"
    code += "run.become([sys.executable, '-c', 'import os; print(os.getpid())'])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(styleroute.__file__).parent, capture_output=True, text=True, check=True
    )
    first, second = done.stdout.split()
    assert first == second
