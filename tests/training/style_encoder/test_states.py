"""The cache of states: computed once, recomputed after a change, resumed; broken images are reported."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from styleroute.errors import StorageError
from styleroute.moe import EncoderConfig, StyleEncoder
from styleroute.training.style_encoder import states as module
from styleroute.training.style_encoder.states import cached_states, stored_layers
from styleroute.training.style_encoder.vision import Vision

LAYERS = (-1, -3)


class CountingVision:
    """A vision model that counts the images it sees, and may stop at one of them."""

    def __init__(self, vision: Vision, stop_after: int | None = None) -> None:
        self._vision, self._stop_after, self.seen = vision, stop_after, 0

    def __getattr__(self, name: str):
        return getattr(self._vision, name)

    def read(self, images, layers):
        if self._stop_after is not None and self.seen >= self._stop_after:
            raise KeyboardInterrupt
        self.seen += len(images)
        return self._vision.read(images, layers)


@pytest.fixture
def images(data: Path) -> list[Path]:
    return sorted((data / "train").glob("*/*.png"))


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 4)


def test_states_are_those_of_the_vision_model_in_half(tmp_path: Path, images: list[Path], vision: Vision) -> None:
    cache = cached_states(tmp_path / "cache", images, vision, LAYERS)
    expected = vision.read([Image.open(path) for path in images], LAYERS)
    assert cache.arrays["states"].dtype == np.float16
    torch.testing.assert_close(torch.tensor(cache.arrays["states"]), expected.states.half(), atol=2e-3, rtol=2e-3)
    torch.testing.assert_close(torch.tensor(cache.arrays["pooled"]), expected.pooled)
    assert list(cache.rows) == images


def test_a_second_run_reads_no_image(tmp_path: Path, images: list[Path], vision: Vision) -> None:
    first, second = CountingVision(vision), CountingVision(vision)
    before = cached_states(tmp_path / "cache", images, first, LAYERS)
    after = cached_states(tmp_path / "cache", images, second, LAYERS)
    assert (first.seen, second.seen) == (len(images), 0)
    assert np.array_equal(before.arrays["states"], after.arrays["states"])


def test_a_stopped_run_goes_on_where_it_was(small_chunks, tmp_path: Path, images: list[Path], vision: Vision) -> None:
    stopped, going_on = CountingVision(vision, stop_after=8), CountingVision(vision)
    with pytest.raises(KeyboardInterrupt):
        cached_states(tmp_path / "cache", images, stopped, LAYERS)
    cache = cached_states(tmp_path / "cache", images, going_on, LAYERS)
    assert going_on.seen == len(images) - 8
    assert np.array_equal(
        cache.arrays["states"], cached_states(tmp_path / "whole", images, vision, LAYERS).arrays["states"]
    )


@pytest.mark.parametrize("change", ["image", "list", "layers", "vision"])
def test_what_changed_is_made_anew(change: str, tmp_path: Path, images: list[Path], vision: Vision) -> None:
    cached_states(tmp_path / "cache", images, vision, LAYERS)
    counting, layers = CountingVision(vision), LAYERS
    if change == "image":
        Image.new("RGB", (20, 20), "red").save(images[2])
    elif change == "list":
        images = images[1:]
    elif change == "layers":
        layers = (-2, -3)
    else:
        counting.identity = "another"
    cache = cached_states(tmp_path / "cache", images, counting, layers)
    assert counting.seen == len(images)
    expected = vision.read([Image.open(images[2])], layers).states[0].half()
    torch.testing.assert_close(torch.tensor(cache.arrays["states"][2]), expected, atol=2e-3, rtol=2e-3)


def test_missing_and_broken_images_are_named_and_have_no_row(
    tmp_path: Path, images: list[Path], vision: Vision
) -> None:
    images[0].unlink()
    images[1].write_bytes(images[1].read_bytes()[:90])
    images[2].write_text("This is no image.")
    for _ in range(2):  # made, and read again
        cache = cached_states(tmp_path / "cache", images, vision, LAYERS)
        assert list(cache.rows) == images[3:]
        assert list(cache.broken) == images[:3]
        assert [cache.broken[path] for path in images[:3]] == [
            "the file is missing",
            *["the file is not a whole image"] * 2,
        ]


def test_states_beyond_float16_leave_the_image_out(tmp_path: Path, images: list[Path], vision: Vision) -> None:
    class Huge(CountingVision):
        def read(self, images, layers):
            output = self._vision.read(images, layers)
            output.states[1, 0, 0, 0] = 1e6
            return output

    cache = cached_states(tmp_path / "cache", images, Huge(vision), LAYERS)
    assert cache.broken == {images[1]: "its computed values are NaN or beyond float16"}


def test_a_full_disk_is_refused_before_the_old_cache_is_touched(
    tmp_path: Path, images: list[Path], vision: Vision, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached_states(tmp_path / "cache", images[:2], vision, LAYERS)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 99, 1))
    with pytest.raises(
        StorageError, match=r"Vision states need 0\.0 MiB in .*cache, but only 0\.0 MiB are free there: make"
    ):
        cached_states(tmp_path / "cache", images, vision, LAYERS)
    counting = CountingVision(vision)
    cached_states(tmp_path / "cache", images[:2], counting, LAYERS)
    assert counting.seen == 0


@pytest.mark.parametrize("taps", [(-1, -2), (-3, -1), (-2, -1, -3, -4)])
def test_the_encoder_reads_stored_layers_as_it_reads_all(taps: tuple[int, ...], vision: Vision) -> None:
    cond_dim = len(taps) * 2 * 3
    sizes = {"num_queries": 2, "num_tokens": 16, "hidden_size": 24, "proj_dim": 3, "cond_dim": cond_dim}
    encoder = StyleEncoder(EncoderConfig(taps=taps, **sizes))
    image = [Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8))]
    stored, everything = vision.read(image, stored_layers(taps)), vision.read(image, (-4, -3, -2, -1))
    assert torch.equal(encoder(stored.states), encoder(everything.states))
