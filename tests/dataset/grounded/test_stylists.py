"""Stylists: a real pipeline of diffusers, the teacher, and stylised images that an interrupted run keeps."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FluxKontextPipeline
from peft import LoraConfig, get_peft_model_state_dict
from PIL import Image
from safetensors.torch import save_file
from styleroute.cli import main
from styleroute.dataset.grounded.diffusers_stylist import DiffusersStylist, load_pipeline, parse_options
from styleroute.dataset.grounded.grounded_scenes import MOST_FAILURES, GroundedConfig, GroundedScenes, _soft
from styleroute.dataset.grounded.kept_images import KeptImages
from styleroute.dataset.grounded.select_photos import LeftOut
from styleroute.dataset.grounded.styles import GroundedStyle, parse_styles
from styleroute.dataset.grounded.stylists import StylistFailure, TeacherStylist
from styleroute.dataset.region_manifest import read_manifest
from styleroute.dataset.segmentation import ChosenObject, SegmentedPhoto
from styleroute.dataset.segmentation.token_compose import read_token_compose
from styleroute.errors import DataError

from ..segmentation.folders import make_grounded_coco

SIDE = 32
RULES = GroundedConfig(size=SIDE)
INK = GroundedStyle("ink", "an ink drawing")


@pytest.fixture
def photos(tmp_path: Path) -> list[SegmentedPhoto]:
    return read_token_compose(make_grounded_coco(tmp_path / "coco"))


def chosen(seed: int = 0) -> ChosenObject:
    image = np.random.default_rng(seed).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
    return ChosenObject("x", "dog", image, np.ones((SIDE, SIDE), bool))


class CountingStylist:
    """Inverts a photo, counts its calls, and stops at a given one."""

    def __init__(self, stop: int | None = None, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.settings: dict[str, Any] = {"inverts": True}
        self.calls, self._stop, self._error = 0, stop, error

    def __call__(self, photo: SegmentedPhoto, chosen: ChosenObject, style: GroundedStyle) -> Image.Image:
        self.calls += 1
        if self._stop is not None and self.calls >= self._stop:
            raise self._error("stopped")
        return Image.fromarray(255 - chosen.image)


def test_a_pipeline_gives_its_own_image_and_only_the_object_changes(
    kontext_folder: Path, photos: list[SegmentedPhoto], tmp_path: Path
):
    """The command's stylised photo equals a call of diffusers' own pipeline."""
    output = tmp_path / "set"
    options = ("--pipeline", str(kontext_folder), "--precision", "float32", "--device", "cpu", "--styles", "ink=a b")
    more = ("--pipeline-options", "num_inference_steps=1", "max_sequence_length=16", "--seed", "5")
    small = ("--size", str(SIDE), "--photos", "1")
    assert main(["data", "grounded", str(tmp_path / "coco"), str(output), *small, *options, *more]) == 0
    [example] = read_manifest(output)
    original, styled, mask = (
        np.asarray(Image.open(path)) for path in (example.original, example.styled, example.regions[0].mask)
    )
    pipeline = FluxKontextPipeline.from_pretrained(kontext_folder, torch_dtype=torch.float32)
    size = {"height": SIDE, "width": SIDE, "_auto_resize": False, "max_area": SIDE * SIDE}
    expected = pipeline(Image.fromarray(original), "a b", num_inference_steps=1, max_sequence_length=16,
                        generator=torch.Generator().manual_seed(5), **size).images[0]  # fmt: skip
    assert np.array_equal(styled[mask == 255], np.asarray(expected)[mask == 255])
    assert np.array_equal(styled[mask == 0], original[mask == 0])
    [kept] = (tmp_path / "set.stylised" / "ink").iterdir()
    assert np.array_equal(np.asarray(Image.open(kept)), np.asarray(expected))


def test_what_a_pipeline_cannot_take_is_refused(kontext_folder: Path, tmp_path: Path):
    pipeline = load_pipeline(str(kontext_folder), "cpu", torch.float32)
    with pytest.raises(DataError, match=r"The option strength cannot be given to FluxKontextPipeline, only .*true_cfg"):
        DiffusersStylist(pipeline, [INK], 0, {"strength": 0.5})
    with pytest.raises(DataError, match="The option image cannot be given"):
        DiffusersStylist(pipeline, [INK], 0, {"image": 1})
    with pytest.raises(DataError, match=r"no LoRA nowhere.safetensors"):
        DiffusersStylist(pipeline, parse_styles(["ink=nowhere.safetensors"]), 0, {})
    save_file({"unet.up.lora_A.weight": torch.zeros(2, 2)}, tmp_path / "other.safetensors")
    with pytest.raises(DataError, match="it changes no layer"):
        DiffusersStylist(pipeline, parse_styles([f"ink={tmp_path / 'other.safetensors'}"]), 0, {})
    (tmp_path / "bad.safetensors").write_bytes(b"no file")
    with pytest.raises(DataError, match="cannot be loaded into FluxKontextPipeline"):
        DiffusersStylist(pipeline, parse_styles([f"ink={tmp_path / 'bad.safetensors'}"]), 0, {})
    with pytest.raises(DataError, match="could not be loaded"):
        load_pipeline(str(tmp_path / "none"), "cpu", torch.float32)


def test_a_lora_changes_only_the_images_of_its_style(kontext_folder: Path, tmp_path: Path, photos):
    pipeline = load_pipeline(str(kontext_folder), "cpu", torch.float32)
    torch.manual_seed(0)
    pipeline.transformer.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    layers = get_peft_model_state_dict(pipeline.transformer)
    FluxKontextPipeline.save_lora_weights(tmp_path / "lora", transformer_lora_layers=layers)
    file = next((tmp_path / "lora").glob("*.safetensors"))
    pipeline = load_pipeline(str(kontext_folder), "cpu", torch.float32)
    options = {"num_inference_steps": 1, "max_sequence_length": 16}
    plain = DiffusersStylist(pipeline, [INK], 0, options)(photos[0], chosen(), INK)
    styles = [INK, GroundedStyle("oil", "an ink drawing", lora=str(file))]
    stylist = DiffusersStylist(pipeline, styles, 0, options)
    images = [np.asarray(stylist(photos[0], chosen(), style)) for style in (styles[1], styles[0], styles[1])]
    assert np.array_equal(images[1], np.asarray(plain))
    assert np.array_equal(images[0], images[2])
    assert not np.array_equal(images[0], images[1])


def test_an_interrupted_run_continues_with_the_missing_images(photos: list[SegmentedPhoto], tmp_path: Path):
    def scenes(stylist: CountingStylist) -> list[np.ndarray]:
        kept = KeptImages(stylist, tmp_path / "kept", {"size": SIDE})
        found = GroundedScenes(photos, RULES, [INK, GroundedStyle("oil", "")], kept, {})
        return [edited.image for scene in found for edited in scene.stylised]

    with pytest.raises(KeyboardInterrupt):
        scenes(CountingStylist(stop=3))
    assert len(list((tmp_path / "kept").rglob("*.png"))) == 2
    again = CountingStylist()
    images = scenes(again)
    assert again.calls == 2
    undisturbed = GroundedScenes(photos, RULES, [INK, GroundedStyle("oil", "")], CountingStylist(), {})
    assert all(map(np.array_equal, images, (one.image for scene in undisturbed for one in scene.stylised)))


def test_kept_images_of_other_settings_are_refused(tmp_path: Path):
    KeptImages(CountingStylist(), tmp_path / "kept", {"size": 32})
    with pytest.raises(DataError, match=r"made with other settings .* give another --keep"):
        KeptImages(CountingStylist(), tmp_path / "kept", {"size": 64})
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="holds other files"):
        KeptImages(CountingStylist(), tmp_path / "own", {})


def test_single_failures_are_left_out_and_many_in_a_row_end_the_work(photos: list[SegmentedPhoto]):
    left_out: LeftOut = {}
    styles = [GroundedStyle(f"s{number}", "") for number in range(MOST_FAILURES)]
    scenes = GroundedScenes(photos, RULES, styles, CountingStylist(stop=1, error=StylistFailure), left_out)
    with pytest.raises(DataError, match=f"{MOST_FAILURES} images in a row could not be stylised"):
        [list(scene.stylised) for scene in scenes]
    assert len(left_out["stopped"]) == MOST_FAILURES


def test_the_teacher_stylises_by_name(photos: list[SegmentedPhoto]):
    style = parse_styles(["woven"])[0]
    image = TeacherStylist([style])(photos[0], chosen(), style)
    assert image.size == (SIDE, SIDE)
    assert not np.array_equal(np.asarray(image), chosen().image)


def test_a_soft_edge_stays_inside_the_object():
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 16:48] = 255
    soft = _soft(mask, 6)
    assert (soft[mask == 0] == 0).all()
    assert soft[32, 32] == 255
    assert np.array_equal(np.sort(soft[32, 16:24]), soft[32, 16:24])
    assert 0 <= soft[32, 16] < 100
    assert _soft(mask, 0) is mask


def test_styles_are_prompts_images_or_loras(tmp_path: Path):
    image = tmp_path / "oil.png"
    Image.new("RGB", (8, 8)).save(image)
    found = parse_styles(["pixel-art", "ink=an ink drawing", f"oil={image}", "comic=comic.safetensors"])
    assert [style.prompt for style in found[:2]] == ["make the image in pixel-art style", "an ink drawing"]
    assert (found[2].image, found[3].lora) == (image, "comic.safetensors")


def test_options_of_a_pipeline_are_json_or_text():
    assert parse_options(["strength=0.6", "negative_prompt=no text", "flag=true"]) == json.loads(
        '{"strength": 0.6, "negative_prompt": "no text", "flag": true}'
    )
    with pytest.raises(DataError, match="has no value, expected NAME=VALUE"):
        parse_options(["strength"])
