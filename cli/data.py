"""`styleroute data`: makes the datasets for the trainers."""

import random
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import tyro

from ..dataset.new_folder import require_target
from ..dataset.objects import load_objects
from ..dataset.photos import Photo, load_photos, template
from ..dataset.region_scenes import RegionScenes, RegionScenesConfig
from ..dataset.region_writer import RegionReport, write_regions
from ..dataset.stylised_scenes import ScenesConfig, StylisedScenes
from ..dataset.triplet_report import REPORT_FILE, TripletReport
from ..dataset.triplet_writer import StylisedContents, write_triplets
from ..dataset.user_folder import FolderContents, HoldOut, list_folder, split_folder
from ..errors import DataError
from ..evaluation.image_embedding import TINY, load_embedding
from ..progress import console

CLIP = "openai/clip-vit-large-patch14"


def paintings(
    scenes: Annotated[ScenesConfig, tyro.conf.arg(name="")],
    output: Path = Path("data") / "paintings",
    limit: int | None = None,
) -> None:
    """Make triplets (content, style reference, stylised image) from photos, in 21 training and 5 test styles.

    Test photos are never training photos; they are stylised in the unseen styles and in a few seen styles.

    Args:
        scenes: options of the scenes and styles.
        output: the folder to create.
        limit: largest number of photos per split; they have different contents and are drawn with the seed.
    """
    if limit is not None and limit < 2:
        raise DataError(f"limit is {limit}: a style reference never shows its content, so give 2 photos or more")
    photos = {split: _limited(load_photos(split), limit, scenes.seed) for split in ("train", "test")}
    objects = load_objects()
    splits = {split: StylisedScenes(split, scenes, photos[split], objects) for split in photos}
    require_target(output, sum(split.images for split in splits.values()), scenes.size)
    _write(output, splits, TINY, TripletReport({**asdict(scenes), "limit": limit, "embedding": TINY}))


def triplets(
    folder: Annotated[Path, tyro.conf.Positional],
    output: Annotated[Path, tyro.conf.Positional] = Path("data") / "triplets",
    embedding: str = CLIP,
    size: int = 1024,
    test_styles: int = 0,
    test_contents: int | None = None,
    seed: int = 0,
) -> None:
    """Make triplets from your own images: <style>/<content>.png and contents/<content>.png (or .jpg, .webp).

    The style reference of each image is the most similar image of its style with another content. An optional caption
    contents/<content>.txt is the prompt; it should describe the content, not the style.

    Args:
        folder: your images; nothing in it is changed.
        output: the folder to create; the default is also the default of `train experts`.
        embedding: model for the similarity: a CLIP or SigLIP by name or folder, or "tiny" for the one in this pack.
        size: side of the images in pixels, a multiple of 16; images are cropped to a square and resized.
        test_styles: number of styles held out for the test split.
        test_contents: number of contents held out; by default a tenth (2 or more) if styles are held out.
        seed: seed for the choice of held-out styles and contents.
    """
    hold = HoldOut(test_styles, test_contents, seed)
    report = TripletReport({"size": size, "embedding": embedding, **asdict(hold)})
    listed = list_folder(folder, report)
    parts = split_folder(listed, hold, report)
    images = sum(1 + len(styles) for part in parts.values() for _, styles in part)
    require_target(output, images, size)
    splits = {split: FolderContents(listed, part, size, report) for split, part in parts.items()}
    _write(output, splits, embedding, report)


def regions(
    config: Annotated[RegionScenesConfig, tyro.conf.arg(name="")],
    output: Path = Path("data") / "regions",
    limit: int | None = None,
) -> None:
    """Make examples for region training: photos with named objects, one of them stylised within its exact mask.

    The test split has other photos and objects than the training split. The manifest has RegionRoute's format.

    Args:
        config: options of the scenes.
        output: the folder to create.
        limit: largest number of photos per split, drawn with the seed.
    """
    if limit is not None and limit < 1:
        raise DataError(f"limit is {limit}: give 1 photo or more")
    photos = {split: _limited(load_photos(split), limit, config.seed) for split in ("train", "test")}
    objects = load_objects()
    splits = {split: RegionScenes(split, config, photos[split], objects) for split in photos}
    require_target(output, sum(scenes.most_images for scenes in splits.values()), config.size)
    report = RegionReport(config)
    write_regions(output, splits, report)
    console.print(report.table())
    console.print(f"Wrote {output.resolve()}", soft_wrap=True)


def _limited(photos: list[Photo], limit: int | None, seed: int) -> list[Photo]:
    """Draws photos with different contents, because a style reference must not show the content."""
    if limit is None:
        return photos
    different = {template(photo): photo for photo in random.Random(seed).sample(photos, len(photos))}
    return list(different.values())[:limit]


def _write(output: Path, splits: dict[str, StylisedContents], embedding: str, report: TripletReport) -> None:
    with console.status("Loading the image embedding"):
        embed = load_embedding(embedding)
    write_triplets(output, splits, embed, report)
    console.print(report.tables())
    console.print(f"Wrote {output.resolve()}; all names are in {REPORT_FILE}", soft_wrap=True)


SUBCOMMANDS = {"paintings": paintings, "triplets": triplets, "regions": regions}
