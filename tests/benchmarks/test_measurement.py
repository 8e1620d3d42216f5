"""Rows and tables of a benchmark, alternating steps, and the time limit."""

from rich.console import Console
from styleroute.benchmarks import measurement
from styleroute.benchmarks.budget import Budget
from styleroute.benchmarks.measurement import Measurement, alternating_ratios, table


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


def test_sizes_have_a_column_and_rows_without_a_limit_come_last() -> None:
    console = Console(width=140, record=True)
    rows = [
        Measurement("naive", "bare", (1.7,), None, size="hidden 256"),
        Measurement("step", "bare", (1.0,), 1.05, size="hidden 1024"),
        Measurement("move", "", (0.25,), None, "s", "hidden 256"),
    ]
    console.print(table("ratios", rows, "A busy machine."))
    text = console.export_text()
    assert text.index("hidden 1024") < text.index("1.700") < text.index("0.250 s") < text.index("A busy machine.")
    assert rows[0].text == "hidden 256: naive: 1.700"


class Work:
    """Steps on a clock of their own."""

    def __init__(self) -> None:
        self.now, self.order = 0.0, ""

    def step(self, name: str, seconds: float):
        def run() -> None:
            self.order += name
            self.now += seconds

        return run


def test_sides_alternate_and_their_order_changes(monkeypatch) -> None:
    work = Work()
    monkeypatch.setattr(measurement.time, "perf_counter", lambda: work.now)
    assert alternating_ratios(work.step("a", 3.0), work.step("b", 2.0), pairs=3) == (1.5,) * 3
    assert work.order == "ba" + "ab" + "ba" + "ab"


def test_no_pair_starts_that_would_end_after_the_time_limit(monkeypatch) -> None:
    work = Work()
    monkeypatch.setattr(measurement.time, "perf_counter", lambda: work.now)
    budget = Budget(18.0, lambda: work.now)
    assert len(alternating_ratios(work.step("a", 3.0), work.step("b", 2.0), pairs=9, budget=budget)) == 2
    assert len(alternating_ratios(work.step("a", 30.0), work.step("b", 2.0), pairs=9, budget=budget)) == 1


def test_a_part_of_a_budget_ends_no_later() -> None:
    work = Work()
    whole = Budget(10.0, lambda: work.now)
    short, long = whole.part(4.0), whole.part(40.0)
    work.now = 5.0
    assert (short.remaining, long.remaining, whole.remaining) == (0.0, 5.0, 5.0)
    assert short.is_over
    assert not whole.is_over
    assert whole.share([1.0, 3.0, 1.0]) == 1.0
