"""The plot of growing sizes: its files, and what it refuses before anything is measured."""

from pathlib import Path

import pytest
from PIL import Image
from styleroute.benchmarks.cases import CASES, PEERS
from styleroute.benchmarks.comfy_ratios import CaseResult, ModelSizes
from styleroute.benchmarks.devices import Device
from styleroute.benchmarks.growth import compare
from styleroute.benchmarks.growth_plot import plot_growth, require_plot_file
from styleroute.errors import StyleRouteError

SIZES = [ModelSizes(256), ModelSizes(1024), ModelSizes(3072, 1, 1)]
DEVICE = Device("a device", 0, 1e9, 1e9, 1e9)


@pytest.fixture(scope="module")
def results() -> list[CaseResult]:
    pairs = ((1.0, 1.0), (1.2, 1.0), (1.1, 1.0))
    return [CaseResult(case, sizes, pairs, ()) for sizes in SIZES for case in (*CASES, *PEERS)]


def test_a_png_shows_both_plots(tmp_path: Path, results) -> None:
    path = plot_growth(tmp_path / "growth.png", results, compare(results, DEVICE))
    assert Image.open(path).size == (1300, 550)


def test_an_svg_names_the_sides_and_sizes(tmp_path: Path, results) -> None:
    text = plot_growth(tmp_path / "growth.SVG", results, compare(results, DEVICE)).read_text()
    assert text.startswith("<?xml")
    assert all(f"<!-- {name} -->" in text for name in ("two objects", "branch, cost model", "stock LoRA", "3072"))


def test_a_plot_without_results_is_empty(tmp_path: Path) -> None:
    assert plot_growth(tmp_path / "growth.png", [], []).is_file()


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StyleRouteError, match=r"growth\.gif is no PNG or SVG file"):
        require_plot_file(tmp_path / "growth.gif")
    with pytest.raises(StyleRouteError, match="does not exist"):
        require_plot_file(tmp_path / "none" / "growth.png")
