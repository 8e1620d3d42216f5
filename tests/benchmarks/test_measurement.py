from rich.console import Console
from styleroute.benchmarks.measurement import Measurement, table


def test_the_median_is_compared_with_the_limit() -> None:
    assert Measurement("step", "bare", (0.9, 1.3, 1.0), limit=1.01).passed
    assert not Measurement("step", "bare", (0.9, 1.3, 1.02), limit=1.01).passed


def test_a_row_for_comparison_has_no_limit() -> None:
    assert Measurement("naive step", "bare", (7.0,), limit=None).passed


def test_the_table_shows_median_range_and_result() -> None:
    console = Console(width=140, record=True)
    rows = [
        Measurement("step", "bare", (0.9, 1.3, 1.0), 1.01),
        Measurement("import", "without", (200.4,), 150.0, "ms"),
        Measurement("naive", "bare", (7,), None),
    ]
    console.print(table("ratios", rows))
    text = console.export_text()
    assert "1.000" in text
    assert "0.900..1.300" in text
    assert "kept" in text
    assert "200 ms" in text
    assert "missed" in text
    assert text.count("kept") + text.count("missed") == 2
