"""Saves a style as a small safetensors file to share, and loads it. `docs/style-files.md` describes the format."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import StyleExpertError
from ..plain_text import quoted
from .expert_sizes import ENTRY
from .header import Header, read_header
from .saving import write_atomically
from .style import Style, clean_name
from .weight_file import WeightFile

STYLE_FORMAT = 1
KIND = "style"
EMBEDDING, THUMBNAIL = "style.embedding", "style.thumbnail"
MAX_BYTES = 4 * 2**20
"""Upper limit for a style file, in bytes: 4 MiB. A style of the published encoder has about 25 KB."""
MAX_SIDE = 512
"""Upper limit for the sides of a thumbnail, in pixels. This version writes 64."""
MAX_ID = 64
"""Upper limit for the characters of an encoder's id. This version writes 16."""


def save_style(path: str | os.PathLike[str], style: Style) -> None:
    """Write a style file. If this is interrupted, an old file stays unchanged.

    Raises:
        StyleExpertError: the name does not end in .safetensors, the style has more than `MAX_BYTES`, or the file
            cannot be written.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise StyleExpertError(f"The target is named {path.name}, expected a name that ends in .safetensors.")
    tensors = {EMBEDDING: style.embedding.detach().to("cpu", torch.float32).contiguous()}
    if style.thumbnail is not None:
        tensors[THUMBNAIL] = style.thumbnail.cpu().contiguous()
    if (size := sum(tensor.nbytes for tensor in tensors.values())) > MAX_BYTES // 2:
        raise StyleExpertError(
            f"The style has {len(style.embedding)} rows and {size:,} bytes, expected at most {MAX_BYTES // 2:,}. "
            "Encode fewer images."
        )
    entry = {
        "format": STYLE_FORMAT,
        "kind": KIND,
        "name": clean_name(style.name),
        "encoder": style.encoder_id,
        "references": style.num_references,
    }
    write_atomically(path, tensors, {"format": "pt", ENTRY: json.dumps(entry)}, check=False)


def load_style(path: str | os.PathLike[str]) -> Style:
    """Read a style file. Its name is the file's stem if the file holds none.

    Raises:
        StyleExpertError: the file is no style file, is damaged, or is newer than this version.
    """
    header = read_header(path)
    entry = read_style_entry(header)
    if entry is None:
        raise StyleExpertError(
            f"{header.path.name} is no style file: its header has no entry '{ENTRY}' of the kind '{KIND}'. Choose a "
            "file that Save Style wrote."
        )
    _require_tensors(header)
    with WeightFile(header).opened() as weights:
        embedding = weights.whole(EMBEDDING)
        thumbnail = weights.whole(THUMBNAIL).to(torch.uint8) if THUMBNAIL in header.tensors else None
    return Style(
        embedding=_require_length(header.path, embedding),
        num_references=entry["references"],
        encoder_id=entry["encoder"],
        name=clean_name(entry["name"]) or clean_name(header.path.stem),
        thumbnail=thumbnail,
    )


def read_style_entry(header: Header) -> Mapping[str, Any] | None:
    """The checked header entry of a style file; None for any other file.

    Raises:
        StyleExpertError: the entry belongs to a style file, but is unreadable or newer than this version.
    """
    try:
        entry = json.loads(header.metadata.get(ENTRY, "null"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or entry.get("kind") != KIND:
        return None
    version = entry.get("format")
    if type(version) is int and version > STYLE_FORMAT:
        raise StyleExpertError(
            f"{header.path.name} has style format {version}, expected {STYLE_FORMAT} or lower. Update StyleRoute."
        )
    if not _is_readable(entry):
        raise _damaged(header, f"its header entry '{ENTRY}' is unreadable")
    return entry


def _is_readable(entry: Mapping[str, Any]) -> bool:
    encoder, references = entry.get("encoder"), entry.get("references")
    return (
        type(entry.get("format")) is int
        and isinstance(entry.get("name"), str)
        and isinstance(encoder, str)
        and 0 < len(encoder) <= MAX_ID
        and encoder.isascii()
        and encoder.isalnum()
        and type(references) is int
        and 0 < references < 2**31
    )


def _require_tensors(header: Header) -> None:
    """Check names, shapes and dtypes before a tensor is read."""
    if header.num_bytes > MAX_BYTES:
        raise _damaged(header, f"it has {header.num_bytes:,} bytes, expected at most {MAX_BYTES:,}")
    if unknown := sorted(header.tensors.keys() - {EMBEDDING, THUMBNAIL}):
        raise _damaged(header, f"it holds the unknown tensor {quoted(unknown[0])}")
    if EMBEDDING not in header.tensors:
        raise _damaged(header, f"it lacks {EMBEDDING}")
    embedding = header.tensors[EMBEDDING]
    if not embedding.dtype.startswith(("F", "BF")) or len(embedding.shape) != 2 or 0 in embedding.shape:
        found = f"{embedding.dtype} {list(embedding.shape)}"
        raise _damaged(header, f"{EMBEDDING} is {found}, expected floating point [styles, numbers]")
    thumbnail = header.tensors.get(THUMBNAIL)
    if thumbnail is None:
        return
    height, width, colours = thumbnail.shape if len(thumbnail.shape) == 3 else (0, 0, 0)
    if thumbnail.dtype != "U8" or colours != 3 or not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
        found = f"{thumbnail.dtype} {list(thumbnail.shape)}"
        raise _damaged(header, f"{THUMBNAIL} is {found}, expected U8 [height, width, 3] of at most {MAX_SIDE} pixels")


def _require_length(path: Path, embedding: Tensor) -> Tensor:
    if not embedding.norm(dim=-1).gt(0).all() or not embedding.norm(dim=-1).isfinite().all():
        raise StyleExpertError(f"{path.name} holds a style without a direction. Save the style again.")
    return embedding


def _damaged(header: Header, what: str) -> StyleExpertError:
    return StyleExpertError(f"{header.path.name} is damaged: {what}. Save the style again, or use another copy.")
