"""The compared rows: the same experts with the right, a wrong or no embedding, and with the right, a wrong or no image.

A wrong input comes from another unseen style on the same photo.
"""

from pathlib import Path

from ...dataset.triplets import Triplet
from ...errors import TrainingError
from ..styles.jobs import StyleJob
from ..styles.methods import StyleMethod, available_methods
from ..styles.sampling import Sampling
from ..styles.shared_expert import write_shared_expert
from ..styles.trials import StyleTrials

ALL = "all as it should be"
SHARED = "shared expert alone"
OTHER_EMBEDDING, OTHER_REFERENCE = "another style's embedding", "another style's reference"
NO_REFERENCE = "no style reference"
NEITHER = "neither"

DEFINITION = (
    f"{ALL.capitalize()}: routed experts, with the style image beside the photo. {SHARED.capitalize()}: with the style "
    "image beside the photo, but the routed experts are switched off. Another style: the routers' embedding, or the "
    f"image beside the photo, comes from another unseen style. {NO_REFERENCE.capitalize()}: routed experts, no image "
    f"beside the photo. {NEITHER.capitalize()}: the shared expert alone, no image beside the photo."
)


def open_experts(file: Path, steps: int) -> StyleMethod:
    """The experts as they are meant to be used.

    Raises:
        TrainingError: the file is missing, or it has no routed experts that also read the style image.
        StyleExpertError: the file is broken.
    """
    if not file.is_file():
        raise TrainingError(f"{file} does not exist: train experts, or give --experts FILE")
    [method] = available_methods([StyleMethod(ALL, file, "style-encoder", True, sampling=Sampling(steps))])
    return method


def steering_jobs(experts: StyleMethod, folder: Path, trials: StyleTrials, seeds: int) -> dict[str, list[StyleJob]]:
    """The images of each row, trial by trial and seed by seed.

    Args:
        experts: the experts, from `open_experts`.
        folder: folder for the file of the shared expert alone.
        trials: at least two styles.
        seeds: images per trial.

    Raises:
        TrainingError: there is only one style.
        StyleExpertError, StorageError: the shared expert cannot be read or written.
    """
    shared = write_shared_expert(experts.file, folder)
    sampling = experts.sampling
    without_reference = StyleMethod(NO_REFERENCE, experts.file, "style-encoder", sampling=sampling)
    shared_only = StyleMethod(SHARED, shared, "none", style_reference=True, sampling=sampling)
    neither = StyleMethod(NEITHER, shared, "none", sampling=sampling)
    jobs: dict[str, list[StyleJob]] = {}
    for row, other in zip(trials.triplets, other_styles(trials), strict=True):
        own, wrong = row.reference, other.reference
        inputs = {
            ALL: (experts, own, None),
            SHARED: (shared_only, own, None),
            OTHER_EMBEDDING: (experts, wrong, own),
            OTHER_REFERENCE: (experts, own, wrong),
            NO_REFERENCE: (without_reference, own, None),
            NEITHER: (neither, own, None),
        }
        for name, (method, style, reference) in inputs.items():
            jobs.setdefault(name, []).extend(
                StyleJob(method, row.content, style, row.prompt, seed, trials.side, reference) for seed in range(seeds)
            )
    return jobs


def other_styles(trials: StyleTrials) -> list[Triplet]:
    """For each trial the trial of the same photo in another style, half the list of styles away.

    Raises:
        TrainingError: there is only one style.
    """
    if len(trials.styles) < 2:
        raise TrainingError("the test split has one unseen style, expected 2 or more: make a larger dataset")
    offset = len(trials.styles) // 2 * len(trials.photos)
    return [trials.triplets[(number + offset) % len(trials.triplets)] for number in range(len(trials.triplets))]
