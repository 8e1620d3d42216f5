"""Tiny datasets in exactly the layouts of COCO, Pascal VOC, BIG and Grounded COCO. Every photo has 64 x 48 pixels."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 64, 48
DOG = (slice(8, 40), slice(16, 40))
"""Rows and columns of the dog: 32 x 24 pixels."""
CHAIR = (slice(8, 24), slice(44, 60))
"""Rows and columns of the chair: 16 x 16 pixels."""


def mask_of(box: tuple[slice, slice]) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[box] = True
    return mask


def photo(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))


def runs_of(mask: np.ndarray) -> list[int]:
    """Uncompressed run lengths, counted pixel by pixel down the columns."""
    runs, value = [0], False
    for pixel in mask.T.flatten():
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    return runs


def _annotation(number: int, image: int, category: int, segmentation: object, crowd: int = 0) -> dict:
    return {"id": number, "image_id": image, "category_id": category, "segmentation": segmentation, "iscrowd": crowd}


def make_coco(folder: Path) -> Path:
    """Photo 139: a dog (polygon) and a chair (runs). Photo 285: two dogs. Photo 632: a crowd. Photo 724: nothing."""
    (folder / "annotations").mkdir(parents=True)
    (folder / "val2017").mkdir()
    images = [
        {"id": number, "file_name": f"{number:012}.jpg", "height": HEIGHT, "width": WIDTH}
        for number in (724, 139, 285, 632)
    ]
    for image in images:
        photo(image["id"]).save(folder / "val2017" / image["file_name"])
    polygon = [[16, 8, 40, 8, 40, 40, 16, 40]]
    runs = {"size": [HEIGHT, WIDTH], "counts": runs_of(mask_of(CHAIR))}
    annotations = [
        _annotation(1, 139, 18, polygon),
        _annotation(2, 139, 62, runs),
        _annotation(3, 285, 18, polygon),
        _annotation(4, 285, 18, runs),
        _annotation(5, 632, 1, {"size": [HEIGHT, WIDTH], "counts": runs_of(mask_of(DOG))}, crowd=1),
    ]
    categories = [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}, {"id": 62, "name": "chair"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations" / "instances_val2017.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def make_voc(folder: Path) -> Path:
    """2007_000033: a dog and a dining table, with borders; 2007_000042: two dogs. In VOCdevkit/VOC2012."""
    root = folder / "VOCdevkit" / "VOC2012"
    for name in ("JPEGImages", "SegmentationObject", "SegmentationClass", "ImageSets/Segmentation"):
        (root / name).mkdir(parents=True)
    for name, classes in (("2007_000033", (12, 11)), ("2007_000042", (12, 12))):
        photo(classes[1]).save(root / "JPEGImages" / f"{name}.jpg")
        numbers, kinds = np.zeros((2, HEIGHT, WIDTH), np.uint8)
        for number, (box, kind) in enumerate(zip((DOG, CHAIR), classes, strict=True), start=1):
            numbers[box], kinds[box] = number, kind
        numbers[40:42], kinds[40:42] = 255, 255
        for part, values in (("SegmentationObject", numbers), ("SegmentationClass", kinds)):
            image = Image.fromarray(values, mode="P")
            image.putpalette([level for colour in range(256) for level in (colour, 255 - colour, colour // 2)])
            image.save(root / part / f"{name}.png")
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("2007_000033\n2007_000042\n", encoding="utf-8")
    return folder


def make_big(folder: Path) -> Path:
    """test/: a dog and a tv; val/: nothing."""
    (folder / "test").mkdir(parents=True)
    (folder / "val").mkdir()
    for name, box in (("dog_3", DOG), ("tv_1", CHAIR)):
        photo(3).save(folder / "test" / f"{name}_im.jpg")
        Image.fromarray(mask_of(box)).convert("L").save(folder / "test" / f"{name}_gt.png")
    return folder


def make_grounded_coco(folder: Path) -> Path:
    """Photo 142: a dog, a wooden chair, and the noun "top". Photo 370: a dog, and a noun without a mask.

    Masks are RGBA as matplotlib writes them.
    """
    photos, masks = folder / "coco_gsam_img" / "train", folder / "coco_gsam_seg"
    photos.mkdir(parents=True)
    lines = []
    for number, nouns in ((142, ("Dog", "wooden chair", "top")), (370, ("dog",))):
        name = f"{number:012}"
        photo(number).save(photos / f"{name}.jpg")
        pairs: list[list[str | None]] = []
        for noun in nouns:
            file = f"{name}/mask_{name}_{noun.replace(' ', '_')}.png"
            (masks / name).mkdir(parents=True, exist_ok=True)
            mask = mask_of(CHAIR if noun == "wooden chair" else DOG)
            Image.fromarray(mask).convert("RGBA").save(masks / file)
            pairs.append([noun, f"seg/{file}"])
        row = {"file_name": f"{name}.jpg", "text": "A dog.", "attn_list": [*pairs, ["lap", None]]}
        lines.append(json.dumps(row) + "\n")
    (photos / "metadata.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder
