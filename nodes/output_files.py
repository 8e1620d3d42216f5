"""Paths of new files in ComfyUI's output folder."""

from pathlib import Path

import folder_paths

from ..moe import StyleExpertError
from .model_folders import SUFFIX, leads_outside


def refuse_outside(filename_prefix: str) -> None:
    """Refuses a file name that is empty or leads out of the output folder.

    Raises:
        StyleExpertError: the name cannot be used.
    """
    if leads_outside(filename_prefix) or filename_prefix.endswith(("/", "\\")):
        raise StyleExpertError(
            f"The file name '{filename_prefix}' is empty or leads out of the output folder. "
            "Enter a name such as 'loras/my_style'."
        )


def free_path(filename_prefix: str) -> Path:
    """The path of a new .safetensors file in the output folder: the prefix, a number that is free, and the suffix."""
    folder, name, counter, *_ = folder_paths.get_save_image_path(filename_prefix, folder_paths.get_output_directory())
    while (path := Path(folder, f"{name}_{counter:05}{SUFFIX}")).exists():
        counter += 1
    return path
