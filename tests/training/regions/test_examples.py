"""Examples with latents, masks and spans: batches, and examples that are left out or refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from styleroute.attention import AttentionError
from styleroute.dataset.region_manifest import read_manifest
from styleroute.errors import TrainingError
from styleroute.training.bases import Base
from styleroute.training.regions.config import RegionTrainConfig
from styleroute.training.regions.examples import RegionExamples, draw, make_batch, make_examples
from styleroute.training.regions.spans import DescribedExample, describe


def _described(data: Path, base: Base, style: str = "woven", each_token: bool = False) -> list[DescribedExample]:
    return describe(read_manifest(data, "train"), style, base, each_token)


def _made(data: Path, base: Base, cache: Path) -> RegionExamples:
    return make_examples(_described(data, base), base, cache)


def _pixels(path: Path) -> torch.Tensor:
    return torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1)[None] / 255


def _edit(data: Path, **values: object) -> None:
    """Change the first entry of the training manifest."""
    path = data / "train" / "manifest.json"
    first, *others = json.loads(path.read_text())
    path.write_text(json.dumps([first | values, *others]))


@pytest.fixture
def examples(woven: Callable[..., RegionExamples]) -> RegionExamples:
    return woven()


def test_a_batch_is_what_the_files_say(examples: RegionExamples, base: Base) -> None:
    batch = make_batch(examples, [1, 0])
    row = examples.rows[1]
    for latents, path in ((batch.original, row.original), (batch.styled, row.styled)):
        torch.testing.assert_close(latents[:1], base.encode(_pixels(path)), atol=1e-3, rtol=1e-3)
    states, pooled = base.encode_prompts([row.prompt])
    torch.testing.assert_close(batch.text[0][:1], states, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(batch.text[1][:1], pooled, atol=1e-5, rtol=1e-5)
    # 64 x 64 pixels are 4 x 4 cells of 16 x 16.
    mask = np.array(Image.open(row.regions[0].mask), dtype=np.float32) / 255
    cells = mask.reshape(4, 16, 4, 16).mean((1, 3)) / mask.max()
    np.testing.assert_allclose(batch.masks[0, 0], cells, atol=1e-6)
    ids = base.tokenizer(row.prompt)["input_ids"]
    assert base.tokenizer.decode([ids[token] for token in batch.spans[0][0]]).replace(" ", "") == "woven"


def test_a_batch_follows_from_seed_and_number(examples: RegionExamples) -> None:
    first, again, other = (draw(examples, 4, seed, number) for seed, number in ((0, 5), (0, 5), (0, 6)))
    assert torch.equal(first.styled, again.styled)
    assert torch.equal(first.masks, again.masks)
    assert not torch.equal(first.styled, other.styled)


def test_a_style_has_its_own_examples(config: RegionTrainConfig, base: Base) -> None:
    rows = read_manifest(config.data.folder, "train")
    dusk = _described(config.data.folder, base, "dusk")
    assert len(dusk) == len(rows) / 2
    assert all(row.styles == ("dusk",) for row, _ in dusk)
    [_, tokens], *_ = _described(config.data.folder, base, each_token=True)
    assert [len(mention.tokens) for mention in tokens] == [1] * len("woven")
    with pytest.raises(TrainingError, match=r"no example has the style 'oil' alone.*give --styles of woven, dusk"):
        _described(config.data.folder, base, "oil")


def test_examples_of_two_styles_are_left_out(own_data: Path, base: Base, capsys) -> None:
    prompt = "make the ball in woven style and the coin in dusk style"
    names = {path.stem for path in (own_data / "train" / "masks").iterdir()}
    both = next(f"{n:04}" for n in range(1, 7) if {f"mask_{n:04}_ball", f"mask_{n:04}_coin"} <= names)
    _edit(own_data, prompt=prompt, objects={"ball": "woven", "coin": "dusk"}, image_name=both)
    assert len(_described(own_data, base)) == len(read_manifest(own_data, "train")) // 2 - 1
    assert "Left out 1 examples that have another style beside woven" in capsys.readouterr().out


def test_a_phrase_without_a_span_is_refused(own_data: Path, base: Base) -> None:
    _edit(own_data, prompt="make the ball lovely")
    with pytest.raises(AttentionError, match=r"'woven' is not in .* 'make the ball lovely'"):
        _described(own_data, base)


def test_broken_files_are_counted_and_named(own_data: Path, base: Base, tmp_path: Path, capsys) -> None:
    whole = _made(own_data, base, tmp_path / "cache")
    broken = whole.rows[0].regions[0].mask
    broken.write_bytes(broken.read_bytes()[:60])
    examples = _made(own_data, base, tmp_path / "cache")
    assert f"{broken}: the file is not a whole image" in " ".join(capsys.readouterr().out.split())
    assert len(examples.rows) == len(examples.spans) == len(whole.rows) - 1


def test_masks_of_ones_and_of_255_are_the_same(own_data: Path, base: Base, tmp_path: Path) -> None:
    examples = _made(own_data, base, tmp_path / "cache")
    before = make_batch(examples, [0]).masks
    path = examples.rows[0].regions[0].mask
    hard = np.array(Image.open(path)) > 127
    found = []
    for white in (1, 255):
        Image.fromarray(hard.astype(np.uint8) * white).save(path)
        found.append(make_batch(_made(own_data, base, tmp_path / "cache"), [0]).masks)
    assert torch.equal(*found)
    torch.testing.assert_close(found[0], before, atol=0.1, rtol=0)


def test_an_empty_mask_and_one_of_another_size_are_refused(own_data: Path, base: Base, tmp_path: Path) -> None:
    masks = sorted((own_data / "train" / "masks").iterdir())
    Image.new("L", (64, 64)).save(masks[0])
    with pytest.raises(TrainingError, match=r"mask_0001_\w+\.png is all black, expected a mask of an object: remove"):
        _made(own_data, base, tmp_path / "cache")
    for path in masks:
        Image.new("L", (32, 32), "white").save(path)
    with pytest.raises(TrainingError, match=r"the masks are 32 x 32, expected 64 x 64, the size of the images"):
        _made(own_data, base, tmp_path / "cache")


@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_a_mask_that_covers_nearly_everything_is_refused(own_data: Path, base: Base, tmp_path: Path, mode: str) -> None:
    """A white image, or one without any transparent part, would teach that the object is everywhere."""
    mask = next((own_data / "train" / "masks").iterdir())
    Image.new(mode, (64, 64), "white").save(mask)
    with pytest.raises(TrainingError, match=r"mask_.*\.png covers 100% of the image, expected a mask of an object"):
        _made(own_data, base, tmp_path / "cache")
    large = Image.new("L", (64, 64), "white")
    large.paste("black", (0, 0, 64, 4))
    large.save(mask)
    _made(own_data, base, tmp_path / "cache")


def test_images_of_mixed_sizes_have_a_remedy_for_a_users_own_manifest(
    own_data: Path, base: Base, tmp_path: Path
) -> None:
    image = next((own_data / "train" / "original").iterdir())
    Image.new("RGB", (64, 80)).save(image)
    with pytest.raises(TrainingError, match="expected one size: resize all images and masks of the manifest to one si"):
        _made(own_data, base, tmp_path / "cache")


def test_the_identity_depends_on_the_examples_but_not_on_their_folder(
    examples: RegionExamples, own_data: Path, base: Base, tmp_path: Path
) -> None:
    moved = _made(own_data, base, tmp_path / "cache")
    assert moved.identity() == examples.identity()
    _edit(own_data, prompt="make the ball in woven style")
    assert _made(own_data, base, tmp_path / "cache").identity() != moved.identity()
