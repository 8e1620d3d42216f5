"""ComfyUI's model folders in which expert and encoder files are searched."""

import contextlib
import functools
import os
import re
from typing import NoReturn

import folder_paths

from ..errors import StyleRouteError
from ..moe import StyleExpertError
from ..moe.formats import sort_keys
from ..moe.header import read_header
from ..paths import CONVERT_COMMAND
from ..plain_text import quoted

EXPERTS, ENCODERS, STYLES, LORAS = "style_experts", "style_encoders", "styles", "loras"
SUFFIX = ".safetensors"
LORA_PREFIX = "loras/"
"""Prefix of the files in ComfyUI's own `loras` folders, which may hold region experts too."""


def register_model_folders() -> None:
    """Adds this pack's folders in `models` behind the folders of the user's extra model paths.

    Styles are also found in `output/styles`, where Save Style writes them.
    """
    for kind in (EXPERTS, ENCODERS, STYLES):
        folder = os.path.join(folder_paths.models_dir, kind)
        folder_paths.add_model_folder_path(kind, folder)
        # A new folder has an empty set of suffixes, and ComfyUI would list every file in it.
        folder_paths.folder_names_and_paths[kind][1].add(SUFFIX)
        with contextlib.suppress(OSError):  # the models folder may be read-only
            os.makedirs(folder, exist_ok=True)
    folder_paths.add_model_folder_path(STYLES, os.path.join(folder_paths.get_output_directory(), STYLES))


def expert_names() -> list[str]:
    """Names of all expert files. Files from `loras` carry LORA_PREFIX."""
    loras = (name for name in _file_names(LORAS) if name.lower().endswith(SUFFIX))
    return _file_names(EXPERTS) + [LORA_PREFIX + name for name in loras]


def routed_first(names: list[str]) -> list[str]:
    """The same names, with the files of routed experts first.

    It reads the headers of the files in `style_experts` only. The `loras` folders may have thousands of files.
    """
    routed = [name for name in names if not name.startswith(LORA_PREFIX) and _is_routed(name)]
    return routed + [name for name in names if name not in routed]


def encoder_names() -> list[str]:
    """Names of all encoder files."""
    return _file_names(ENCODERS)


def style_names() -> list[str]:
    """Names of all style files."""
    return _file_names(STYLES)


def expert_path(name: str) -> str:
    """The full path of an expert file.

    Raises:
        StyleExpertError: the file does not exist, is not a safetensors file, or is outside the model folders.
    """
    _refuse_bad_name(name)
    path = folder_paths.get_full_path(EXPERTS, name)
    if path is None and name.startswith(LORA_PREFIX):
        path = folder_paths.get_full_path(LORAS, name.removeprefix(LORA_PREFIX))
    return path or _refuse_missing("Expert", LORAS if name.startswith(LORA_PREFIX) else EXPERTS, name)


def encoder_path(name: str) -> str:
    """The full path of an encoder file.

    Raises:
        StyleExpertError: the file does not exist, is not a safetensors file, or is outside the model folders.
    """
    _refuse_bad_name(name)
    return folder_paths.get_full_path(ENCODERS, name) or _refuse_missing("Encoder", ENCODERS, name)


def style_path(name: str) -> str:
    """The full path of a style file.

    Raises:
        StyleExpertError: the file does not exist, is not a safetensors file, or is outside the model folders.
    """
    _refuse_bad_name(name)
    return folder_paths.get_full_path(STYLES, name) or _refuse_missing("Style", STYLES, name)


def file_state(path: str) -> str:
    """A text that changes when a file is edited or replaced.

    Raises:
        OSError: the file is gone.
    """
    state = os.stat(path)
    return f"{path} {state.st_ino} {state.st_mtime_ns} {state.st_size}"


def leads_outside(name: str) -> bool:
    """Whether a file name is empty, absolute, or leaves its folder with "..", on any operating system."""
    steps = re.split(r"[/\\]", name)
    return ".." in steps or not steps[0] or ":" in steps[0]


def _file_names(kind: str) -> list[str]:
    """Names of the files in the folders of one kind; empty if the folders are not registered."""
    return folder_paths.get_filename_list(kind) if kind in folder_paths.folder_names_and_paths else []


def _is_routed(name: str) -> bool:
    """Whether a file in `style_experts` has routed experts, by its header."""
    try:
        path = folder_paths.get_full_path(EXPERTS, name) or ""
        state = os.stat(path)
    except OSError:
        return False
    return _has_routed_experts(path, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=1024)
def _has_routed_experts(path: str, _changed: int, _size: int) -> bool:
    """Whether the header lists routed experts. It is read again when the file's time (ns) or size (bytes) changes."""
    try:
        return sort_keys(read_header(path).tensors).kind == "style-moe"
    except StyleRouteError:
        return False


def _refuse_bad_name(name: str) -> None:
    if leads_outside(name):
        raise StyleExpertError(
            f"The file name {quoted(name)} leads out of the model folders. Choose a file inside the model folders."
        )
    if not name.lower().endswith(SUFFIX):
        raise StyleExpertError(
            f"{quoted(name)} is not a {SUFFIX} file. Convert a .pt file in ComfyUI's folder with `{CONVERT_COMMAND}`."
        )


def _refuse_missing(what: str, kind: str, name: str) -> NoReturn:
    folders = " or ".join(folder_paths.get_folder_paths(kind))
    raise StyleExpertError(
        f"{what} file {quoted(name)} was not found in {folders}. Put it there, press R in ComfyUI to reload the list, "
        "and choose it."
    )
