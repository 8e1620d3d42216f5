"""Where expert and encoder files are looked for: ComfyUI's model folders."""

import contextlib
import os
import re

import folder_paths

from ..moe import StyleExpertError

EXPERTS, ENCODERS, LORAS = "style_experts", "style_encoders", "loras"
SUFFIX = ".safetensors"
LORA_PREFIX = "loras/"
"""Marks the files of ComfyUI's own `loras` folders, where region experts may lie as well."""


def register_model_folders() -> None:
    """Adds `models/style_experts` and `models/style_encoders`, after those that the user's extra model paths name."""
    for kind in (EXPERTS, ENCODERS):
        folder = os.path.join(folder_paths.models_dir, kind)
        folder_paths.add_model_folder_path(kind, folder)
        # The folder comes without a suffix, that is, with any: readme files would be offered, too.
        folder_paths.folder_names_and_paths[kind][1].add(SUFFIX)
        with contextlib.suppress(OSError):  # a models folder that may only be read
            os.makedirs(folder, exist_ok=True)


def expert_names() -> list[str]:
    """The expert files to choose from; those out of `loras` carry that prefix."""
    loras = (name for name in folder_paths.get_filename_list(LORAS) if name.lower().endswith(SUFFIX))
    return folder_paths.get_filename_list(EXPERTS) + [LORA_PREFIX + name for name in loras]


def encoder_names() -> list[str]:
    """The encoder files to choose from."""
    return folder_paths.get_filename_list(ENCODERS)


def expert_path(name: str) -> str:
    """The full path of an expert file; StyleExpertError when there is none."""
    _refuse_outside(name)
    path = folder_paths.get_full_path(EXPERTS, name)
    if path is None and name.startswith(LORA_PREFIX):
        path = folder_paths.get_full_path(LORAS, name.removeprefix(LORA_PREFIX))
    return path or _not_found("Expert", LORAS if name.startswith(LORA_PREFIX) else EXPERTS, name)


def encoder_path(name: str) -> str:
    """The full path of an encoder file; StyleExpertError when there is none."""
    _refuse_outside(name)
    return folder_paths.get_full_path(ENCODERS, name) or _not_found("Encoder", ENCODERS, name)


def leads_outside(name: str) -> bool:
    """Whether a file name is empty, absolute, or climbs out of its folder, on any operating system."""
    steps = re.split(r"[/\\]", name)
    return ".." in steps or not steps[0] or ":" in steps[0]


def _refuse_outside(name: str) -> None:
    if leads_outside(name):
        raise StyleExpertError(
            f"The file name '{name}' leads out of the model folders; choose a file that lies in them."
        )
    if not name.lower().endswith(SUFFIX):
        raise StyleExpertError(
            f"'{name}' is no {SUFFIX} file, and no other kind is opened; `styleroute convert`, in a clone of the "
            "pack's repository, makes one of a .pt file."
        )


def _not_found(what: str, kind: str, name: str) -> str:
    folders = " or ".join(folder_paths.get_folder_paths(kind))
    raise StyleExpertError(
        f"{what} file '{name}' was not found; put it into {folders}, press R in ComfyUI to read the folder again, and "
        "choose it in the list."
    )
