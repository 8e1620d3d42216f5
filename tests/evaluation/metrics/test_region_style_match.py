"""RSM: the mask's box, its padding, and (1 + cos) / 2 with the style's words."""

from pathlib import Path

import numpy as np
import pytest
import torch
from styleroute.errors import DataError
from styleroute.evaluation.metric_models import ClipModel
from styleroute.evaluation.metric_models.image_batch import unit_vectors
from styleroute.evaluation.metrics import mask_box, region_style_match

COLOURS = {"red": (255, 0, 0), "blue": (0, 0, 255)}


class ColourClip:
    """A CLIP whose vectors are mean colours; it understands the words "red" and "blue"."""

    def image_vectors(self, images: list[np.ndarray]) -> torch.Tensor:
        return unit_vectors([torch.tensor(np.array([image.mean((0, 1)) for image in images]))])

    def text_vectors(self, texts: list[str]) -> torch.Tensor:
        return unit_vectors([torch.tensor([COLOURS[text] for text in texts])])


@pytest.fixture
def mask() -> np.ndarray:
    mask = np.zeros((64, 64), np.float32)
    mask[10:20, 30:50] = 1
    return mask


def with_object(mask: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    image = np.full((64, 64, 3), 90, np.uint8)
    image[mask > 0.5] = colour
    return image


def test_the_box_has_padding_and_ends_at_the_image(mask: np.ndarray) -> None:
    shape = (64, 64, 3)
    assert mask_box(mask, 0, shape) == (slice(10, 20), slice(30, 50))
    assert mask_box(mask, 0.1, shape) == (slice(8, 22), slice(28, 52))  # 2 pixels, a tenth of 20
    assert mask_box(mask, 1.0, shape) == (slice(0, 40), slice(10, 64))


def test_the_right_style_scores_best_then_a_weak_one_then_the_other(mask: np.ndarray) -> None:
    red, weak, blue = (with_object(mask, colour) for colour in ((255, 0, 0), (200, 60, 60), (0, 0, 255)))
    right, half, wrong = region_style_match([red, weak, blue], [mask] * 3, ["red"] * 3, ColourClip(), padding=0)
    assert right == pytest.approx(1, abs=1e-6)
    assert right > half > wrong
    assert wrong == pytest.approx(0.5, abs=1e-6)  # vectors at a right angle
    swapped = region_style_match([red, blue], [mask] * 2, ["blue", "red"], ColourClip(), padding=0)
    np.testing.assert_allclose(swapped, 0.5, atol=1e-6)


def test_rsm_equals_its_formula_on_a_clip(clip_folder: Path, mask: np.ndarray) -> None:
    from transformers import CLIPModel, CLIPProcessor

    images = [with_object(mask, colour) for colour in COLOURS.values()]
    styles = ["pixel art", "line art"]
    clip = ClipModel.load(clip_folder, device="cpu")
    found = region_style_match(images, [mask, mask.T.copy()], styles, clip)
    boxes = [images[0][8:22, 28:52], images[1][28:52, 8:22]]
    model, processor = CLIPModel.from_pretrained(clip_folder).eval(), CLIPProcessor.from_pretrained(clip_folder)
    with torch.no_grad():
        output = model(**processor(text=styles, images=boxes, padding=True, return_tensors="pt"))
    expected = (1 + (output.image_embeds * output.text_embeds).sum(-1)) / 2
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)
    alone = region_style_match(images[:1], [mask], styles[:1], clip)
    assert alone[0] == pytest.approx(found[0], abs=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_allclose(region_style_match(images, [mask, mask.T.copy()], styles, clip), found, atol=0.02)


def test_empty_and_unfitting_masks_are_refused(mask: np.ndarray) -> None:
    image = with_object(mask, COLOURS["red"])
    with pytest.raises(DataError, match="The mask of an object is empty"):
        region_style_match([image], [mask * 0], ["red"], ColourClip())
    with pytest.raises(DataError, match=r"a mask of \[32, 64\] for an image of \[64, 64\], expected equal sizes"):
        region_style_match([image], [mask[:32]], ["red"], ColourClip())
    with pytest.raises(DataError, match="one entry for each image"):
        region_style_match([image], [mask], ["red", "blue"], ColourClip())
