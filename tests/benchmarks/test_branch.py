"""Rows of `styleroute benchmark branch`."""

from styleroute.benchmarks.branch import branch_rows

MEASURED = {
    "seconds": {
        "bare": [1.0, 2.0],
        "whole image": [1.02, 2.04],
        "two masks": [1.04, 2.08],
        "two objects": [1.2, 2.4],
    },
    "change": [(0.1, 1.0), (0.3, 1.0)],
}


def test_each_side_is_compared_with_the_bare_step() -> None:
    whole, masks, objects, change = branch_rows(1024, MEASURED)
    assert (whole.median, whole.limit, whole.passed) == (1.02, 1.03, True)
    assert (masks.median, masks.limit, masks.passed) == (1.04, 1.05, True)
    assert (objects.median, objects.limit, objects.passed) == (1.2, 1.08, False)
    assert (change.median, change.limit, change.passed) == (0.2, 0.2, True)


def test_a_whole_image_costs_less_at_the_width_of_flux() -> None:
    assert next(branch_rows(3072, MEASURED)).limit == 1.02
