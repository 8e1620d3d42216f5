"""Batches of the small Kontext: whole images and windows anywhere in the grid, with the prompts of their kinds."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from styleroute.errors import TrainingError
from styleroute.flux.noise import shift_sigma
from styleroute.training.tiny import train_kontext
from styleroute.training.tiny.config import GRID
from styleroute.training.tiny.edit_samples import KINDS, EditSamples
from styleroute.training.tiny.train_kontext import (
    WHOLE_SIZES,
    WINDOW_SHARES,
    WINDOW_TOKENS,
    EditBatch,
    KontextConfig,
    draw_batch,
    require_samples,
)
from torch import Tensor

from .conftest import WHOLE, WINDOWS

CONFIG = KontextConfig(batch=4)
STEPS = range(60)

pytestmark = pytest.mark.usefixtures("small_sizes")


def _size(batch: EditBatch) -> tuple[int, int]:
    return batch.target.shape[2], batch.target.shape[3]


def _is_whole(step: int) -> bool:
    return step % CONFIG.whole_every == CONFIG.whole_every - 1


def _corners(latents: Tensor) -> list[tuple[int, int]]:
    """Row and column of the first latent pixel of each window in its image."""
    return [(int(row), int(column)) for row, column in latents[:, :2, 0, 0]]


def test_a_step_always_draws_the_same_batch(samples: EditSamples) -> None:
    first, again, other = (draw_batch(step, CONFIG, samples) for step in (3, 3, 4))
    assert torch.equal(first.target, again.target)
    assert (first.prompts, first.corner) == (again.prompts, again.corner)
    assert first.prompts != other.prompts or first.corner != other.corner


def test_every_third_batch_has_whole_images_at_the_grids_corner(samples: EditSamples) -> None:
    sizes = set()
    for step in filter(_is_whole, STEPS):
        batch = draw_batch(step, CONFIG, samples)
        assert batch.corner == (0, 0)
        assert set(_corners(batch.target)) == {(0, 0)}
        sizes.add(_size(batch))
    assert sizes == set(WHOLE)


def test_windows_stand_anywhere_in_the_grid_of_token_positions(samples: EditSamples) -> None:
    sizes, ends = set(), []
    for step in (step for step in range(200) if not _is_whole(step)):
        batch = draw_batch(step, CONFIG, samples)
        rows, columns = (side // 2 for side in _size(batch))
        assert 0 <= batch.corner[0] <= GRID - rows
        assert 0 <= batch.corner[1] <= GRID - columns
        sizes.add(_size(batch))
        ends += [batch.corner[0] + rows, batch.corner[1] + columns]
    assert sizes == set(WINDOWS)
    assert min(ends) < 10
    assert max(ends) > GRID - 4  # also far from every position of a whole image


def test_windows_begin_at_whole_tokens_inside_their_image(samples: EditSamples) -> None:
    seen = set()
    for step in (step for step in STEPS if not _is_whole(step)):
        for row, column in _corners(draw_batch(step, CONFIG, samples).target):
            assert row % 2 == column % 2 == 0
            seen.add((row, column))
    assert len(seen) > 10


def test_the_reference_is_the_same_window_of_the_samples_own_scene(samples: EditSamples) -> None:
    scenes = {sample.target: sample.scene for sample in samples.samples}
    for step in STEPS:
        batch = draw_batch(step, CONFIG, samples)
        if batch.reference is None:
            continue
        assert torch.equal(batch.target[:, :2], batch.reference[:, :2])  # equal rows and columns
        targets, references = (latents[:, 2, 0, 0].int().tolist() for latents in (batch.target, batch.reference))
        assert [scenes[target] for target in targets] == references


def test_larger_images_make_smaller_batches(samples: EditSamples) -> None:
    counts = {}
    for step in STEPS:
        batch = draw_batch(step, CONFIG, samples)
        counts[_size(batch), batch.reference is None] = len(batch.target)
    # 4 windows of 4 x 4 tokens are 64 tokens; without a reference there is room for twice as many.
    for ((height, width), unreferenced), count in counts.items():
        assert count == max(1, 64 * (2 if unreferenced else 1) // (height * width // 4))
    assert counts[(8, 8), False] == 4
    assert counts[(16, 16), False] == 1


def test_batches_without_a_reference_have_captions_as_prompts(samples: EditSamples) -> None:
    for step in STEPS:
        batch = draw_batch(step, CONFIG, samples)
        assert (batch.reference is None) == (step % 7 == 6)
        if batch.reference is None:
            assert all(prompt.startswith("a photo") for prompt in batch.prompts)
            assert not batch.early.any()


@pytest.mark.parametrize(("share", "captions"), [(0.0, set()), (1.0, {"keep", "stylise"})])
def test_captions_stand_in_for_the_instructions_that_they_can_replace(samples, share: float, captions: set) -> None:
    config = KontextConfig(batch=64, caption_share=share, kinds=(0.25, 0.25, 0.25, 0.25))
    prompts = draw_batch(0, config, samples).prompts
    instructed = {prompt.removeprefix("make it ") for prompt in prompts if prompt.startswith("make it")}
    assert instructed == set(KINDS) - captions
    assert any(prompt.startswith("a photo") for prompt in prompts) == bool(captions)


def test_only_object_edits_have_early_noise_levels(samples: EditSamples) -> None:
    config = KontextConfig(batch=64, early_share=1.0)
    batch = draw_batch(0, config, samples)
    assert batch.early.tolist() == [prompt == "make it object" for prompt in batch.prompts]
    assert not draw_batch(0, replace(config, early_share=0.0), samples).early.any()


def test_early_samples_have_high_noise_levels(samples: EditSamples, tokenizers, monkeypatch) -> None:
    """Times of the first half are 0.5 or more, and the sampler's shift raises them."""
    levels = []
    monkeypatch.setattr(train_kontext, "add_noise", lambda clean, noise, sigma: levels.append(sigma) or clean)
    model = SimpleNamespace(text=lambda *_: None, velocity=lambda noisy, *_: noisy)
    batch = draw_batch(0, KontextConfig(batch=64), samples)
    for early in (True, False):
        drawn = replace(batch, early=torch.full_like(batch.early, early))
        train_kontext.training_loss(model, CONFIG, drawn, tokenizers, step=0)
    assert levels[0].min() >= shift_sigma(torch.tensor(0.5)) > levels[1].min()


def test_samples_that_cannot_fill_a_batch_are_refused_before_the_training(samples: EditSamples) -> None:
    require_samples(CONFIG, samples)
    wide = [sample for sample in samples.samples if samples.size(sample) == (12, 20)]
    lacking = EditSamples([sample for sample in samples.samples if sample not in wide], samples.latents, samples.images)
    with pytest.raises(TrainingError, match=r"no sample of the kind '\w+' has exactly 96 x 160 pixels .* --scenes"):
        require_samples(CONFIG, lacking)
    no_objects = EditSamples(samples.groups["keep"] + samples.groups["stylise"], samples.latents, samples.images)
    with pytest.raises(TrainingError, match=r"no sample of the kind 'whole' has at least"):
        require_samples(CONFIG, no_objects)
    require_samples(replace(CONFIG, kinds=(0.5, 0, 0, 0.5)), no_objects)


def test_the_real_sizes_fill_whole_tokens_in_the_grid() -> None:
    for height, width in (*WINDOW_SHARES, *WHOLE_SIZES):
        assert height % 2 == width % 2 == 0
        assert max(height, width) // 2 <= GRID
        assert 0.5 <= height / width <= 2
    assert sum(WINDOW_SHARES.values()) == pytest.approx(1)
    assert (32, 32) in WINDOW_SHARES
    assert WINDOW_TOKENS == 16 * 16
