"""Bootstrap intervals: known standard errors, coverage on a known distribution, and clusters."""

import math

import numpy as np
import pytest
from scipy import stats
from styleroute.evaluation.report.intervals import Interval, bootstrap_mean, bootstrap_means

STYLES, CONTENTS = 6, 8


def labels(styles: int, contents: int) -> tuple[list[str], list[str]]:
    """Style and content of each cell of a grid, row by row."""
    return [str(s) for s in range(styles) for _ in range(contents)], [
        str(c) for _ in range(styles) for c in range(contents)
    ]


def interval(values: np.ndarray, resamples: int = 1000) -> Interval:
    return bootstrap_mean(values.ravel().tolist(), *labels(*values.shape), resamples)


def test_effects_of_style_and_content_have_the_known_standard_error() -> None:
    rng = np.random.default_rng(0)
    own, shared = rng.normal(size=STYLES), rng.normal(size=CONTENTS)
    grid = own[:, None] + shared
    # The mean of a drawn grid is the mean of the drawn styles plus the mean of the drawn contents.
    expected = math.sqrt(own.var() / STYLES + shared.var() / CONTENTS)
    assert bootstrap_means(grid, np.ones_like(grid), 4000).std() == pytest.approx(expected, rel=0.04)


def test_one_factor_equals_scipys_own_bootstrap() -> None:
    values = np.random.default_rng(1).exponential(size=(1, 30))
    ours = bootstrap_means(values, np.ones_like(values), 4000)
    theirs = stats.bootstrap((values[0],), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(2))
    assert np.quantile(ours, (0.025, 0.975)) == pytest.approx(theirs.confidence_interval, rel=0.04)


@pytest.mark.parametrize(("style", "content"), [(0.0, 0.0), (0.5, 0.0), (0.3, 0.3)])
def test_the_true_mean_is_covered_in_at_least_95_percent_of_all_cases(style: float, content: float) -> None:
    rng, covered, cases = np.random.default_rng(0), 0, 80
    for _ in range(cases):
        own, shared = rng.normal(size=(STYLES, 1)), rng.normal(size=(1, CONTENTS))
        rest = rng.normal(size=(STYLES, CONTENTS))
        found = interval(
            math.sqrt(style) * own + math.sqrt(content) * shared + math.sqrt(1 - style - content) * rest, resamples=300
        )
        covered += found.low < 0 < found.high
    assert covered / cases >= 0.91  # 95 % expected, less two standard errors of 80 cases


def test_values_that_belong_together_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    own = rng.normal(size=STYLES)
    clustered = np.repeat(own[:, None], CONTENTS, 1)
    shuffled = rng.permutation(clustered.ravel()).reshape(clustered.shape)
    wide, narrow = interval(clustered), interval(shuffled)
    assert wide.mean == pytest.approx(narrow.mean)
    assert wide.high - wide.low > 1.4 * (narrow.high - narrow.low)


def test_seeds_add_no_clusters() -> None:
    values = np.random.default_rng(0).normal(size=(STYLES, CONTENTS))
    styles, contents = labels(STYLES, CONTENTS)
    once = interval(values)
    twice = bootstrap_mean([*values.ravel()] * 2, styles * 2, contents * 2, 1000)
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))
    assert (twice.values, twice.styles, twice.contents) == (2 * once.values, STYLES, CONTENTS)


def test_missing_cells_and_single_clusters_are_allowed() -> None:
    assert bootstrap_mean([1.0, 2.0, 4.0], ["a", "b", "c"], ["x", "y", "z"], 500).mean == pytest.approx(7 / 3)
    single = bootstrap_mean([1.0, 2.0], ["a", "a"], ["x", "x"])
    assert (single.mean, math.isnan(single.low), single.is_rough) == (1.5, True, False)
    assert math.isnan(bootstrap_mean([], [], []).mean)
    assert bootstrap_mean([1.0, 2.0], ["a", "b"], ["x", "x"]).is_rough
    assert not interval(np.zeros((STYLES, CONTENTS))).is_rough


def test_the_text_of_an_interval() -> None:
    assert Interval(0.5, 0.25, 0.75, 4, 2, 2).text(".2f") == "0.50 [0.25, 0.75]"
    assert Interval(0.5, math.nan, math.nan, 1, 1, 1).text(".0%") == "50%"
    assert Interval(math.nan, math.nan, math.nan, 0, 0, 0).text(".2f") == ""
