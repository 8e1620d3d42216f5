"""Triplets with latents, text and style embeddings: batches, and triplets that are left out or refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from styleroute.dataset.triplets import read_triplets
from styleroute.errors import StorageError, TrainingError
from styleroute.flux.latents import position_ids
from styleroute.training.bases import Base
from styleroute.training.experts.conditions import PooledLatents
from styleroute.training.experts.examples import TripletExamples, draw, make_examples


def _made(data: Path, base: Base, cache: Path) -> TripletExamples:
    return make_examples(read_triplets(data, "train"), base, PooledLatents(), cache)


def _pixels(path: Path) -> torch.Tensor:
    return torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1)[None] / 255


def test_rows_equal_the_base_models_latents_and_text(examples: TripletExamples, base: Base) -> None:
    row = examples.triplets[4]
    latents = base.encode(_pixels(row.stylised))
    torch.testing.assert_close(examples.latents([row.stylised]), latents, atol=1e-3, rtol=1e-3)
    states, pooled = base.encode_prompts([row.prompt])
    mine = examples.prompts.of([row.prompt])
    torch.testing.assert_close(mine[0], states, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(mine[1], pooled, atol=1e-5, rtol=1e-5)


def test_a_batch_follows_from_seed_and_number(examples: TripletExamples) -> None:
    first, again, other = (draw(examples, 3, None, seed, number) for seed, number in ((0, 5), (0, 5), (0, 6)))
    assert torch.equal(first.stylised, again.stylised)
    assert not torch.equal(first.stylised, other.stylised)
    assert first.style.shape == (3, 12)
    assert first.corner == first.reference_corner == (0, 0)


def test_content_and_stylised_share_a_crop_with_its_corner(examples: TripletExamples) -> None:
    whole = {path: examples.latents([path])[0] for path in examples.images.rows}
    corners = set()
    for number in range(12):
        batch = draw(examples, 1, 4, 0, number)
        top, left = (2 * side for side in batch.corner)
        inside = [image[:, top : top + 4, left : left + 4] for image in whole.values()]
        for part in (batch.content, batch.stylised):
            assert any(torch.equal(part[0], window) for window in inside)
        corners.add(batch.corner)
    assert len(corners) > 3
    assert position_ids(2, 2, 1, *batch.corner)[0].tolist() == [1, *batch.corner]


def test_pooled_latents_are_means_of_4_x_4_cells(own_data: Path, base: Base, tmp_path: Path) -> None:
    examples = _made(own_data, base, tmp_path / "cache")
    reference = examples.triplets[0].reference
    fields = examples.latents([reference])[0].reshape(16, 4, 2, 4, 2).mean((2, 4)).flatten()
    torch.testing.assert_close(examples.style([reference])[0], fields, atol=1e-3, rtol=1e-3)


def test_missing_and_broken_images_are_counted_and_named(
    own_data: Path, base: Base, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    train = own_data / "train"
    (train / "red" / "0.png").unlink()  # one triplet's image, and another's reference
    broken = train / "green" / "1.png"
    broken.write_bytes(broken.read_bytes()[:100])
    for _ in range(2):  # computed, and read again
        examples = _made(own_data, base, tmp_path / "cache")
        shown = " ".join(capsys.readouterr().out.split())
        assert "Skipped 2 of 9 triplets that lack an image (missing: 1): " in shown
        assert str(train.resolve() / "red" / "0.png") in shown
        assert "Left out 1 of 11 images" in shown
        assert f"{broken}: the file is not a whole image" in shown
        left = [(row.style, row.stylised.stem) for row in examples.triplets]
        assert left == [("red", "1"), ("green", "2"), *(("blue", content) for content in "012")]


def test_no_whole_triplet_is_refused(own_data: Path, base: Base, tmp_path: Path) -> None:
    for path in (own_data / "train" / "content").iterdir():
        path.write_text("This is no image.")
    with pytest.raises(TrainingError, match=r"no triplet has three readable images: `styleroute data triplets"):
        _made(own_data, base, tmp_path / "cache")


def test_mixed_and_odd_sizes_are_refused_before_any_work(own_data: Path, base: Base, tmp_path: Path) -> None:
    one = own_data / "train" / "red" / "1.png"
    Image.new("RGB", (64, 80)).save(one)
    with pytest.raises(TrainingError, match=r"is 64 x 64 and .*red/1\.png is 64 x 80, expected one size: `styleroute"):
        _made(own_data, base, tmp_path / "cache")
    for path in (own_data / "train").glob("*/*.png"):
        Image.new("RGB", (72, 64)).save(path)
    with pytest.raises(TrainingError, match=r"72 x 64, expected sides that are multiples of 16"):
        _made(own_data, base, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_full_disk_is_refused(data: Path, base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 99, 1))
    with pytest.raises(StorageError, match=r"Latents need 0\.0 MiB in .*, but only 0\.0 MiB are free there"):
        _made(data, base, tmp_path / "cache")


def test_the_identity_depends_on_the_triplets_but_not_on_their_folder(
    data: Path, own_data: Path, examples: TripletExamples, base: Base, tmp_path: Path
) -> None:
    moved = _made(own_data, base, tmp_path / "cache")
    assert moved.identity(own_data) == examples.identity(data)
    Image.new("RGB", (64, 64), "red").save(own_data / "train" / "red" / "0.png")
    changed = _made(own_data, base, tmp_path / "cache")
    assert changed.identity(own_data) != examples.identity(data)
    metadata = own_data / "train" / "metadata.jsonl"
    metadata.write_text(metadata.read_text().replace("photo of a", "drawing of a"))
    assert _made(own_data, base, tmp_path / "cache").identity(own_data) != changed.identity(own_data)
