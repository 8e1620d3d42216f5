"""`styleroute benchmark`: a long measurement prints each row at once, and a missed limit sets the exit code."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from styleroute.benchmarks import all_ratios, devices, experts, full_size, full_size_plan, machine, regions
from styleroute.benchmarks.cases import CASES
from styleroute.benchmarks.comfy_ratios import CaseResult, ModelSizes
from styleroute.benchmarks.measurement import Measurement
from styleroute.cli import benchmark, main


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


def test_a_stopped_run_keeps_its_results(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def rows(pairs: int, cells: int) -> Iterator[Measurement]:
        yield Measurement("batch 1: step", "PEFT", (1.0,), 1.1)
        raise KeyboardInterrupt

    monkeypatch.setattr(experts, "run_benchmark", rows)
    with pytest.raises(KeyboardInterrupt):
        benchmark.run("training")
    assert "at most" in capsys.readouterr().out


def test_all_ratios_are_one_table_with_the_cost_model_and_a_plot(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def results(models: list[ModelSizes], *_: object) -> Iterator[object]:
        yield Measurement("import of the pack", "ComfyUI without it", (50.0,), 100.0, "ms")
        for sizes in models:
            yield from (CaseResult(case, sizes, ((0.1, 1.0),), ((1, 1),)) for case in CASES)
        yield "training step: not measured, because the time limit is reached"

    monkeypatch.setattr(all_ratios, "run_benchmark", results)
    monkeypatch.setattr(devices, "this_machine", lambda cpu_time: devices.Device("this machine", 0, 1e9, 1e9, 1e9))
    benchmark.run(hidden=(256, 1024), plot=tmp_path / "growth.png")
    printed = capsys.readouterr().out
    assert printed.startswith(machine.machine_text()[:10])
    parts = ("not measured", "All ratios", "Cost model against the measured models", "80 GB (A100 SXM)", "Wrote")
    assert [printed.index(part) for part in parts] == sorted(printed.index(part) for part in parts)
    assert (tmp_path / "growth.png").is_file()


def test_without_a_graphics_card_the_plan_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "gpu_text", lambda: "")
    monkeypatch.setattr(full_size_plan, "plan_text", lambda sizes: f"{sizes.double} + {sizes.single} blocks")
    assert main(["benchmark", "--full-size"]) == 0
    printed = capsys.readouterr().out
    assert "No graphics card was found that torch can use, so nothing is measured" in printed
    assert "19 + 38 blocks" in printed
    assert "Plan: each row with weights in bf16 and fp8" in printed


def test_with_a_graphics_card_the_full_model_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {}

    def results(pairs: int, budget, sizes: ModelSizes) -> Iterator[object]:
        asked.update(pairs=pairs, seconds=round(budget.remaining), cells=sizes.cells, double=sizes.double)
        yield Measurement("step", "the bare step", (1.0,), 1.02)

    monkeypatch.setattr(machine, "gpu_text", lambda: "a card, 24 GiB")
    monkeypatch.setattr(full_size, "run_full_size", results)
    benchmark.run(full_size=True, cells=64, minutes=3, pairs=2)
    assert asked == {"pairs": 2, "seconds": 180, "cells": 64, "double": 19}
    assert "The full FLUX.1 Kontext with random weights" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["branch", "--full-size"], "are for all ratios, but branch was chosen"),
        (["--full-size", "--plot", "a.png"], "there is no growth to plot"),
        (["--minutes", "0"], "expected more than 0"),
        (["--cells", "7"], "expected an even number of 4 or more"),
        (["--hidden", "200"], "is no multiple of 128"),
        (["--plot", "a.pdf"], "is no PNG or SVG file"),
    ],
)
def test_options_that_do_not_fit_are_refused_at_once(
    options: list[str], sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "this_machine", lambda **_: pytest.fail("something was measured"))
    assert main(["benchmark", *options]) == 1
    assert sentence in capsys.readouterr().err
