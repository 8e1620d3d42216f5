"""`styleroute benchmark`: a long measurement prints each row at once, and a missed limit sets the exit code."""

from collections.abc import Iterator

import pytest
from styleroute.benchmarks import experts, regions
from styleroute.benchmarks.measurement import Measurement
from styleroute.cli import benchmark


def test_each_row_is_printed_as_soon_as_it_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def rows(pairs: int, cells: int) -> Iterator[Measurement]:
        yield Measurement("batch 1: step", "PEFT", (0.9, 1.0, 1.1)[:pairs], 1.1)
        assert "batch 1: step: 1.000" in capsys.readouterr().out
        yield Measurement(f"batch 8, {cells} cells: step", "PEFT", (1.05,), 1.1)

    monkeypatch.setattr(experts, "run_benchmark", rows)
    monkeypatch.setattr(
        regions, "run_benchmark", lambda pairs, cells: iter([Measurement("region", "without", (1.2,), 1.3)])
    )
    benchmark.run("training", cells=32)
    printed = capsys.readouterr().out
    assert printed.index("batch 8, 32 cells: step: 1.050") < printed.index("region: 1.200") < printed.index("median")


def test_a_missed_limit_ends_with_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experts, "run_benchmark", lambda pairs, cells: iter([Measurement("step", "PEFT", (1.2,), 1.1)]))
    monkeypatch.setattr(regions, "run_benchmark", lambda pairs, cells: iter([]))
    with pytest.raises(SystemExit, match="1"):
        benchmark.run("training")
