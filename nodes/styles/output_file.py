"""The file that a node writes to ComfyUI's output folder: checks its name, and finds the next free number."""

import os
import re
from datetime import datetime
from pathlib import Path

import folder_paths

from ...moe import StyleExpertError
from ...plain_text import quoted
from ..model_folders import leads_outside

MAX_NAME_BYTES = 200
"""Upper limit for a file or folder name, in bytes of UTF-8. File systems allow 255, with the number and the suffix."""

_DATE = re.compile(r"%date:([^%]+)%")
_DATE_PARTS = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "hh": "%H", "mm": "%M", "ss": "%S"}
_FORBIDDEN = r'[\x00-\x1f\x7f<>:"|?*]' if os.name == "nt" else r"[\x00-\x1f\x7f]"
"""Characters that no file name may have. Windows forbids more of them."""


def output_prefix(name: str) -> str:
    """The file name that a user entered, with dates in place of `%date:yyyy-MM-dd%`, as in Save Image.

    Raises:
        StyleExpertError: the name is empty or too long, leads out of the output folder, or no file can have it.
    """
    prefix = _DATE.sub(lambda match: _today(match[1]), name)
    if leads_outside(prefix) or prefix.endswith(("/", "\\")):
        raise _refused(name, "is empty or leads out of the output folder")
    if found := re.search(_FORBIDDEN, prefix):
        raise _refused(name, f"holds the character {quoted(found[0])}, which no file name can have")
    if (longest := max(map(_num_bytes, re.split(r"[/\\]", prefix)))) > MAX_NAME_BYTES:
        raise _refused(name, f"has a part of {longest} bytes, expected at most {MAX_NAME_BYTES}")
    return prefix


def free_path(prefix: str, suffix: str) -> Path:
    """The path `<prefix>_<number><suffix>` in the output folder with the next free number.

    Raises:
        StyleExpertError: the folder cannot be created or read.
    """
    try:
        folder, name, counter, *_ = folder_paths.get_save_image_path(prefix, folder_paths.get_output_directory())
    except OSError as error:
        raise StyleExpertError(
            f"The folder of {quoted(prefix)} cannot be used in the output folder ({error.strerror}). Enter another "
            "file name, or make the output folder writable."
        ) from error
    while (path := Path(folder, f"{name}_{counter:05}{suffix}")).exists():
        counter += 1
    return path


def _today(pattern: str) -> str:
    """The present date and time in a pattern such as "yyyy-MM-dd"."""
    now = datetime.now()
    # A single letter, such as M, is the number without a leading zero.
    return re.sub(r"yyyy|yy|(M|d|h|m|s)\1?", lambda match: _date_part(now, match[0]), pattern)


def _date_part(now: datetime, part: str) -> str:
    return now.strftime(_DATE_PARTS[part]) if part in _DATE_PARTS else str(int(now.strftime(_DATE_PARTS[part * 2])))


def _num_bytes(name: str) -> int:
    return len(name.encode("utf-8", "surrogatepass"))


def _refused(name: str, why: str) -> StyleExpertError:
    return StyleExpertError(f"The file name {quoted(name)} {why}. Enter a name such as 'loras/my_style'.")
