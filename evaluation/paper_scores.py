"""The papers' model-based metrics in one call each: scores of results, and why a metric has none.

A metric whose model is missing or damaged is left out, with the reason; the other metrics still run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import DataError
from .method_scores import MetricColumn
from .metric_models import MetricModels
from .metrics import (
    aesthetic_score,
    background_lpips,
    background_mse,
    background_pixels,
    clip_similarity,
    csd_similarity,
    dino_similarity,
    dreamsim_distance,
    region_questions,
    region_style_match,
    vlm_semantic_score,
)

STYLE_EXPERT_COLUMNS = (
    MetricColumn("clip", "CLIP similarity to the content", short_name="CLIP"),
    MetricColumn("dino", "DINO similarity to the content", short_name="DINO"),
    MetricColumn("csd", "CSD similarity to the style", short_name="CSD"),
    MetricColumn("aesthetic", "LAION aesthetic score", ".2f", short_name="aesthetic"),
    MetricColumn("semantic", "our semantic score", short_name="semantic (ours)"),
    MetricColumn("dreamsim", "DreamSim distance to the style", lower_is_better=True, short_name="DreamSim"),
)
"""StyleExpert's six metrics, in the order of its table. The paper prints all but the aesthetic score times 100."""
REGION_ROUTE_COLUMNS = (
    MetricColumn("rsm", "Regional Style Matching", ".4f", short_name="RSM"),
    MetricColumn("background_lpips", "background LPIPS", ".4f", lower_is_better=True, short_name="LPIPS bg"),
    MetricColumn("background_mse", "background MSE", ".4f", lower_is_better=True, short_name="MSE bg"),
    MetricColumn("object_in_style", "object in the style", ".2f", short_name="Q1"),
    MetricColumn("background_in_style", "background in the style", ".2f", lower_is_better=True, short_name="Q2"),
    MetricColumn("object_in_opposite", "object in the opposite style", ".2f", lower_is_better=True, short_name="Q3"),
    MetricColumn(
        "background_in_opposite", "background in the opposite style", ".2f", lower_is_better=True, short_name="Q4"
    ),
)
"""RegionRoute's metrics, in the order of its tables."""

Values = Mapping[str, np.ndarray]
"""By a column's key: one value for each image."""


@dataclass
class PaperScores:
    """The scores of some results.

    Attributes:
        values: by a column's key, one value for each image.
        problems: by a model's short name, why its metrics are left out, as one sentence for users.
    """

    values: dict[str, np.ndarray] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StyledImages:
    """Results of style transfer, with one entry per result in each list.

    Attributes:
        results, contents, styles: images [H, W, 3] uint8.
    """

    results: Sequence[np.ndarray]
    contents: Sequence[np.ndarray]
    styles: Sequence[np.ndarray]


@dataclass(frozen=True)
class StyledRegions:
    """Results with one styled object each, with one entry per result in each list.

    Attributes:
        results, photos: images [H, W, 3] uint8 of equal size.
        masks: the object's mask [H, W], 0 to 1.
        objects: the object's name, such as "dog".
        styles: the style's name, such as "pixel art".
    """

    results: Sequence[np.ndarray]
    photos: Sequence[np.ndarray]
    masks: Sequence[np.ndarray]
    objects: Sequence[str]
    styles: Sequence[str]


def style_expert_scores(images: StyledImages, models: MetricModels) -> PaperScores:
    """StyleExpert's six metrics; see `STYLE_EXPERT_COLUMNS`.

    Raises:
        DataError: the images do not fit together.
    """
    results, contents, styles = images.results, images.contents, images.styles
    return _scores(
        models,
        {
            "clip": lambda clip: {"clip": clip_similarity(results, contents, clip)},
            "dino": lambda dino: {"dino": dino_similarity(results, contents, dino)},
            "csd": lambda csd: {"csd": csd_similarity(results, styles, csd)},
            "aesthetic": lambda aesthetic: {"aesthetic": aesthetic_score(results, aesthetic)},
            "vlm": lambda vlm: {"semantic": vlm_semantic_score(results, contents, styles, vlm)},
            "dreamsim": lambda dreamsim: {"dreamsim": dreamsim_distance(results, styles, dreamsim)},
        },
    )


def region_route_scores(regions: StyledRegions, models: MetricModels) -> PaperScores:
    """RegionRoute's metrics; see `REGION_ROUTE_COLUMNS`. The background is 1 - M, without a margin.

    Raises:
        DataError: the images, masks and names do not fit together.
    """
    backgrounds = [background_pixels(mask, margin=0) for mask in regions.masks]
    trios = zip(regions.photos, regions.results, backgrounds, strict=True)
    scores = _scores(
        models,
        {
            "clip": lambda clip: {"rsm": region_style_match(regions.results, regions.masks, regions.styles, clip)},
            "lpips": lambda lpips: {
                "background_lpips": background_lpips(regions.photos, regions.results, backgrounds, lpips)
            },
            "vlm": lambda vlm: _answers(regions, vlm),
        },
    )
    scores.values["background_mse"] = np.array([background_mse(*trio) for trio in trios])
    return scores


def _answers(regions: StyledRegions, vlm) -> Values:
    answers = region_questions(regions.results, regions.objects, regions.styles, vlm)
    return {column.key: getattr(answers, column.key) for column in REGION_ROUTE_COLUMNS[3:]}


def _scores(models: MetricModels, metrics: Mapping[str, Callable[..., Values]]) -> PaperScores:
    """The values of metrics by the short name of their model. One model is loaded after the other."""
    scores = PaperScores()
    for key, metric in metrics.items():
        try:
            model = models.get(key)
        except DataError as error:
            scores.problems[key] = str(error)
            continue
        scores.values.update(metric(model))
    return scores
