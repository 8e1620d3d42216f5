"""Ruff's rules and format hold in the whole repository, and pyright finds no type error in the ideas and the nodes."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

ROOT = Path(__file__).resolve().parent.parent


def run_tool(*command: str | Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-m", *map(str, command)]
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=timeout)


@pytest.mark.parametrize("command", [("check",), ("format", "--check")])
def test_ruff(command: tuple[str, ...]) -> None:
    done = run_tool("ruff", *command, "--quiet", ".")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def config() -> Iterator[Path]:
    """The path for a pyright configuration, inside the repository because pyright takes relative paths only."""
    (ROOT / "output").mkdir(exist_ok=True)
    with TemporaryDirectory(dir=ROOT / "output", prefix="pyright-") as folder:
        yield Path(folder) / "pyrightconfig.json"


def test_pyright(comfyui: Path, config: Path) -> None:
    """With pyproject.toml's settings, but with the Python and the ComfyUI that run these tests."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pyright"]
    folders = [f"../../{folder}" for folder in settings["include"]]
    settings |= {"include": folders, "extraPaths": [str(comfyui)]}
    config.write_text(json.dumps({name: value for name, value in settings.items() if name not in ("venv", "venvPath")}))
    done = run_tool("pyright", "--outputjson", "--project", config, "--pythonpath", sys.executable, timeout=580)
    report = json.loads(done.stdout)
    errors = [_line(found) for found in report["generalDiagnostics"] if found["severity"] == "error"]
    assert report["summary"]["filesAnalyzed"] > 50, done.stderr
    assert not errors, "\n".join(errors)


def _line(found: dict) -> str:
    place = f"{found['file'].removeprefix(str(ROOT))}:{found['range']['start']['line'] + 1}"
    return f"{place}: {found['message']} ({found.get('rule', 'syntax')})"
