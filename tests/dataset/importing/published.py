"""Small triplets as foreign datasets hold them: three contents in two styles, each with its style image."""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

CONTENTS, STYLES = ("boat", "cat", "dog"), ("ink", "oil")
Files = dict[str, bytes]


def encoded(seed: int, size: tuple[int, int] = (32, 32), kind: str = "PNG") -> bytes:
    """A random image as the content of a file."""
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=kind)
    return buffer.getvalue()


def content(name: str) -> bytes:
    return encoded(CONTENTS.index(name))


def stylised(name: str, style: str) -> bytes:
    return encoded(10 + 10 * STYLES.index(style) + CONTENTS.index(name))


def triplets() -> Iterator[dict]:
    """Rows of content, reference and stylised image; the style image shows the next content in the same style."""
    for style in STYLES:
        for number, name in enumerate(CONTENTS):
            other = CONTENTS[(number + 1) % len(CONTENTS)]
            images = {"content": content(name), "reference": stylised(other, style), "target": stylised(name, style)}
            yield {**images, "style": style, "caption": f"a {name}", "name": name}


def write_tar(path: Path, files: list[tuple[str, bytes]]) -> Path:
    """A tar archive with these files, in this order; names may be hostile or stand twice."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def shard_files() -> list[tuple[str, bytes]]:
    """The triplets as files of WebDataset."""
    files: list[tuple[str, bytes]] = []
    for number, row in enumerate(triplets()):
        for column in ("content", "reference", "target"):
            files.append((f"{number:04d}.{column}.png", row[column]))
        files.append((f"{number:04d}.json", json.dumps({"style": row["style"], "caption": row["caption"]}).encode()))
    return files


def make_table(folder: Path, table: str = "metadata.jsonl", start: str = "") -> Path:
    """Writes the images as files and a table of their paths; returns the folder."""
    rows = []
    for number, row in enumerate(triplets()):
        paths = {column: f"images/{column}/{number}.png" for column in ("content", "reference", "target")}
        for column, path in paths.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(row[column])
        texts = {"style_name": row["style"], "caption": row["caption"]}
        rows.append({**{f"{column}_path": f"{start}{path}" for column, path in paths.items()}, **texts})
    (folder / table).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def make_parquet(folder: Path, split: str = "train") -> Path:
    """Writes the triplets as `push_to_hub` of the library `datasets` would."""
    import datasets

    rows = [{**row, "style": STYLES.index(row["style"])} for row in triplets()]
    for row in rows:
        row |= {column: {"bytes": row[column], "path": "x.png"} for column in ("content", "reference", "target")}
    images = {column: datasets.Image() for column in ("content", "reference", "target")}
    texts = {"style": datasets.ClassLabel(names=list(STYLES)), "caption": datasets.Value("string")}
    features = datasets.Features({**images, **texts, "name": datasets.Value("string")})
    folder.mkdir(parents=True, exist_ok=True)
    made = datasets.Dataset.from_list(rows, features=features)
    made.to_parquet(str(folder / f"{split}-00000-of-00001.parquet"))
    return folder
