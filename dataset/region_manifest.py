"""Reads and writes the manifest of a region dataset: the JSON list of RegionRoute's release.

    <folder>/train/manifest.json                   the list; the same under test/
    <folder>/train/original/0001.png               a scene: a photo with objects
    <folder>/train/styled/ink_comic/0001_boat.png  the same scene, the boat in a style
    <folder>/train/masks/mask_0001_boat.png        the mask of the boat, white on black

An entry has `prompt`, `image_path` (styled), `original_path`, `mask_dir`, `image_name` and `objects: {object: style}`;
the mask of an object is `<mask_dir>/mask_<image_name>_<object>.png`. Paths are relative to the manifest's folder; in
the release they are relative to another folder, which the user gives. An object without a style has the style `null`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..progress import console
from ..storage.text_reader import read_text

MANIFEST_FILE = "manifest.json"
REMEDY = "make one with `styleroute data regions`"


@dataclass(frozen=True)
class Region:
    """An object and its target style, both as in the prompt, and the image of the object's mask.

    The style is empty if the object stays as it is.
    """

    object: str
    style: str
    mask: Path


@dataclass(frozen=True)
class RegionExample:
    """One training example: ``styled`` is ``original`` with its ``regions`` stylised; ``prompt`` is the instruction."""

    prompt: str
    original: Path
    styled: Path
    regions: tuple[Region, ...]

    @property
    def styles(self) -> tuple[str, ...]:
        """The distinct styles, in the order of the regions."""
        return tuple(dict.fromkeys(region.style for region in self.regions if region.style))

    @property
    def files(self) -> tuple[Path, ...]:
        """All image files of the example."""
        return (self.original, self.styled, *(region.mask for region in self.regions))


def region_prompt(thing: str, style: str) -> str:
    """Returns the instruction that RegionRoute was trained with."""
    return f"make the {thing} in {style} style, keep other area unchanged"


def mask_name(image_name: str, thing: str) -> str:
    """Returns the file name of an object's mask."""
    return f"mask_{image_name}_{thing}.png"


def read_manifest(source: Path, split: str = "train", root: Path | None = None) -> list[RegionExample]:
    """Reads the examples of a split, with absolute paths.

    An example that lacks an image or a mask is skipped; the number and the missing files are printed.

    Args:
        source: a folder with <split>/manifest.json, or a manifest of the release, which has no splits.
        split: "train" or "test".
        root: what the paths in the manifest are relative to; by default the manifest's own folder.

    Raises:
        DataError: the manifest is missing or malformed, or no example has all of its files.
    """
    manifest = Path(source) if Path(source).suffix == ".json" else Path(source) / split / MANIFEST_FILE
    if not manifest.is_file():
        raise DataError(f"{source} is not a region dataset, because {manifest} is missing: {REMEDY}")
    folder = (root or manifest.parent).resolve()
    examples = [_example(manifest, number, entry, folder) for number, entry in enumerate(_entries(manifest), start=1)]
    missing = [_missing(example) for example in examples]
    whole = [example for example, path in zip(examples, missing, strict=True) if path is None]
    lost = [path for path in missing if path is not None]
    if not whole:
        raise DataError(
            f"{manifest} has no example with all of its files in {folder} ({len(lost)} lack a file, the first one "
            f"{next(iter(lost), 'none')}): give the folder of its relative paths with --root, or {REMEDY}"
        )
    if lost:
        listed = "\n".join(f"  {path}" for path in sorted(set(lost)))
        console.print(f"Skipped {len(lost)} of {len(examples)} examples that lack an image:\n{listed}", soft_wrap=True)
    return whole


def write_manifest(folder: Path, examples: Sequence[RegionExample]) -> None:
    """Writes <folder>/manifest.json. All masks of an example must be in one folder, with the names of `mask_name`."""
    entries = [_entry(folder, example) for example in examples]
    (folder / MANIFEST_FILE).write_text(json.dumps(entries, indent=1, ensure_ascii=False), encoding="utf-8")


def _entry(folder: Path, example: RegionExample) -> dict[str, Any]:
    region = example.regions[0]
    name = region.mask.name.removeprefix("mask_").removesuffix(f"_{region.object}.png")
    return {
        "prompt": example.prompt,
        "image_path": example.styled.relative_to(folder).as_posix(),
        "original_path": example.original.relative_to(folder).as_posix(),
        "mask_dir": region.mask.parent.relative_to(folder).as_posix(),
        "image_name": name,
        "objects": {region.object: region.style or None for region in example.regions},
    }


def _entries(manifest: Path) -> list[Any]:
    text = read_text(manifest)
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{manifest} is not JSON ({error}): {REMEDY}") from error
    if not isinstance(entries, list):
        raise DataError(f"{manifest} holds a {type(entries).__name__}, expected a list of examples: {REMEDY}")
    return entries


def _example(manifest: Path, number: int, entry: Any, folder: Path) -> RegionExample:
    try:
        masks, name = folder / entry["mask_dir"], entry["image_name"]
        regions = tuple(
            Region(thing, "" if style is None else _text(style), masks / mask_name(name, thing))
            for thing, style in entry["objects"].items()
        )
        if not regions:
            raise ValueError("it has no object")
        paths = folder / entry["original_path"], folder / entry["image_path"]
        return RegionExample(_text(entry["prompt"]), *paths, regions)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{manifest}, entry {number}, is not an example ({error!r}); expected prompt, image_path, original_path, "
            f"mask_dir, image_name and objects (object to style): {REMEDY}"
        ) from error


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r} is not a text")
    return value


def _missing(example: RegionExample) -> Path | None:
    return next((path for path in example.files if not path.is_file()), None)
