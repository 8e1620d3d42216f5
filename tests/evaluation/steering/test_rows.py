"""Which inputs each row gives the experts."""

from pathlib import Path

import pytest
import torch
from styleroute.errors import TrainingError
from styleroute.evaluation.steering.rows import (
    ALL,
    NEITHER,
    NO_REFERENCE,
    OTHER_EMBEDDING,
    OTHER_REFERENCE,
    SHARED,
    open_experts,
    other_styles,
    steering_jobs,
)
from styleroute.evaluation.styles.trials import choose_trials
from styleroute.moe import StyleExpert
from styleroute.paths import TINY_MODELS

SHIPPED = TINY_MODELS / "style_experts" / "tiny_styles.safetensors"


@pytest.fixture
def trials(triplets):
    return choose_trials(triplets, seen=False, photos=2)


def test_each_row_has_its_embedding_and_its_image(trials, tmp_path: Path) -> None:
    jobs = steering_jobs(open_experts(SHIPPED, 3), tmp_path, trials, seeds=2)
    assert list(jobs) == [ALL, SHARED, OTHER_EMBEDDING, OTHER_REFERENCE, NO_REFERENCE, NEITHER]
    assert {len(of_row) for of_row in jobs.values()} == {8}
    own, wrong = trials.triplets[0].reference, trials.triplets[2].reference
    first = {name: of_row[0] for name, of_row in jobs.items()}
    assert {name: (job.style, job.reference) for name, job in first.items()} == {
        ALL: (own, None),
        SHARED: (own, None),
        OTHER_EMBEDDING: (wrong, own),
        OTHER_REFERENCE: (own, wrong),
        NO_REFERENCE: (own, None),
        NEITHER: (own, None),
    }
    assert {name: (job.method.condition, job.method.style_reference) for name, job in first.items()} == {
        **dict.fromkeys((ALL, OTHER_EMBEDDING, OTHER_REFERENCE), ("style-encoder", True)),
        SHARED: ("none", True),
        NO_REFERENCE: ("style-encoder", False),
        NEITHER: ("none", False),
    }
    assert {job.method.sampling.steps for job in first.values()} == {3}
    # Of two styles, the embedding of the first with the image of the second serves two rows.
    assert len({job.relative_path for of_row in jobs.values() for job in of_row}) == 48 - 8


def test_the_shared_experts_file_is_the_mixture_without_its_routed_experts(trials, tmp_path: Path) -> None:
    job = steering_jobs(open_experts(SHIPPED, 3), tmp_path, trials, seeds=1)[SHARED][0]
    mixture, alone = StyleExpert.open(SHIPPED), StyleExpert.open(job.method.file)
    assert alone.config.is_lora
    assert alone.style_rows == mixture.style_rows
    layer, parts = next(iter(mixture.stored_layers()))
    pair = alone.collapse(None)[layer]
    expected = mixture.scale_of(layer) * parts["lora_layer.shared_B"][0] @ parts["lora_layer.shared_A"][0]
    torch.testing.assert_close(pair.up @ pair.down, expected)


def test_another_style_is_of_the_same_photo(trials) -> None:
    for row, other in zip(trials.triplets, other_styles(trials), strict=True):
        assert (row.content_name == other.content_name, row.style == other.style) == (True, False)


def test_one_style_alone_is_refused(triplets) -> None:
    reds = [row for row in triplets if row.style == "red"]
    with pytest.raises(TrainingError, match="one unseen style, expected 2 or more"):
        other_styles(choose_trials(reds, seen=False, photos=1))


def test_missing_files_and_files_without_routed_experts_are_refused(write_lora, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="give --experts FILE"):
        open_experts(tmp_path / "none.safetensors", 3)
    with pytest.raises(TrainingError, match="expected routed experts with their style encoder"):
        open_experts(write_lora(), 3)
