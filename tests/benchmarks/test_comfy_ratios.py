"""Ratios measured in ComfyUI's process: every case on a small model, the rows, and the time limit."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from styleroute.benchmarks import comfy_ratios
from styleroute.benchmarks.budget import Budget
from styleroute.benchmarks.cases import CASES, PEERS, Case, cases_of
from styleroute.benchmarks.comfy_ratios import CaseResult, ModelSizes, bytes_row, measure_cases, transfer
from styleroute.benchmarks.random_files import RandomFiles, write_files
from styleroute.errors import ComfyError
from styleroute.moe import LowRank, StyleExpert

from .conftest import SMALL

WIDE = ModelSizes(3072, 1, 1)
FILES = RandomFiles(Path("expert"), ("a", "b"), ("c", "d"))


def test_every_case_is_measured_on_a_small_model(server) -> None:
    files = write_files(server.models, SMALL.blocks)
    found = list(measure_cases(server, (*CASES, *PEERS), SMALL, files, pairs=1, budget=Budget(600)))
    results = [each for each in found if isinstance(each, CaseResult)]
    missing = [each for each in found if isinstance(each, str)]
    has_bypass = importlib.util.find_spec("comfy_extras.nodes_lora_debug") is not None
    cases = [case for case in (*CASES, *PEERS) if has_bypass or case.ours != "bypass LoRA"]
    assert [each.case for each in results] == cases
    assert all("no node LoraLoaderBypassModelOnly" in each for each in missing)
    assert all(seconds > 0 for each in results for pair in each.seconds for seconds in pair)
    assert {len(each.seconds) for each in results if each.case.kind == "step"} == {1}
    assert all(row.limit is None for each in results for row in each.measurements)  # no bound below hidden 1024


def test_a_style_reads_its_share_of_the_file_and_is_moved(server) -> None:
    measured = transfer(server, SMALL, write_files(server.models, SMALL.blocks))
    row = bytes_row(measured)
    assert row.passed
    assert 0.5 * row.limit < row.median
    assert min(*measured["read"], *measured["move"]) > 0
    pairs = style_pairs(server)
    assert measured["bytes_moved"] == 4 * sum(pair.up.numel() + pair.down.numel() for pair in pairs)
    assert measured["bytes"] == 4 * measured["parameters"]


def style_pairs(server) -> list[LowRank]:
    expert = StyleExpert.open(next((server.models / "style_experts").iterdir()))
    return list(expert.collapse(torch.randn(1, expert.config.cond_dim)).values())


def test_a_model_of_8_bits_is_measured_by_both_methods(server) -> None:
    sizes = ModelSizes(128, 1, 1, 4, form="fp8")
    files = write_files(server.models, sizes.blocks)
    found = list(measure_cases(server, cases_of("patch", "branch", kind="step"), sizes, files, pairs=1))
    assert [result.case.ours for result in found] == ["patch", "branch"]
    described = transfer(server, sizes, files)
    assert (described["form"], described["bytes"]) == ("fp8", described["parameters"])


class FakeServer:
    """Answers every measurement with the same times; each one takes 10 seconds of the fake clock."""

    def __init__(self, *answers: dict | Exception) -> None:
        self.answers, self.asked, self.now, self.interrupted = list(answers), [], 0.0, 0

    def run(self, prompt: dict) -> dict:
        self.asked.append(prompt["1"]["inputs"])
        self.now += 10
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return {"1": {"benchmark": [json.dumps(answer)]}}

    def interrupt(self) -> None:
        self.interrupted += 1


ANSWER = {"seconds": [[1.0, 1.0], [1.2, 1.0], [1.1, 1.0]], "bytes": [[103, 100]]}


def measured(server: FakeServer, cases: tuple[Case, ...], seconds: float | None = None) -> list:
    budget = None if seconds is None else Budget(seconds, lambda: server.now)
    return list(measure_cases(server, cases, WIDE, FILES, pairs=5, budget=budget))


def test_ratios_have_their_bounds() -> None:
    rows = [row for result in measured(FakeServer(ANSWER), CASES) for row in result.measurements]
    assert [row.limit for row in rows] == [1.01, 1.02, 1.05, 1.08, 1.03, 1.02, 0.7, 0.2]
    assert {row.median for row in rows} == {1.1, 1.03}
    assert {row.size for row in rows} == {"hidden 3072, 1 + 1 blocks"}


def test_smaller_models_have_the_bound_of_their_width() -> None:
    (branch,) = cases_of("branch", kind="step")
    assert [branch.limit(hidden) for hidden in (256, 1024, 2048, 3072)] == [None, 1.03, 1.03, 1.02]


def test_a_system_without_peaks_gives_no_row_for_memory() -> None:
    (result,) = measured(FakeServer(ANSWER | {"bytes": [[0, 0]]}), cases_of("captured maps"))
    assert [row.what for row in result.measurements] == ["step, maps of every block captured"]


def test_each_case_gets_its_share_of_the_time() -> None:
    server = FakeServer(ANSWER)
    measured(server, CASES[:3], 90.0)
    assert [asked["seconds"] for asked in server.asked] == [30.0, 40.0, 70.0]


def test_after_the_time_limit_the_results_so_far_are_kept() -> None:
    found = measured(FakeServer(ANSWER), CASES[:4], 15.0)
    assert [isinstance(each, CaseResult) for each in found] == [True, True, False, False]
    assert "step, two styles in two masks: not measured, because the time limit is reached" in found[2]


def test_a_case_that_fails_leaves_the_others() -> None:
    server = FakeServer(ComfyError("Allocation on device failed\nThe end of its log: ..."), ANSWER)
    first, second = measured(server, CASES[:2], 100.0)
    assert first.endswith("not measured (Allocation on device failed)")
    assert isinstance(second, CaseResult)


def test_without_a_time_limit_a_failure_ends_the_benchmark() -> None:
    with pytest.raises(ComfyError):
        measured(FakeServer(ComfyError("no")), CASES[:2])


def test_a_measurement_that_does_not_end_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comfy_ratios, "GRACE_SECONDS", 0.0)
    server = FakeServer(ANSWER)

    def run(prompt: dict) -> dict:
        for _ in range(100):
            if server.interrupted:
                raise ComfyError("The workflow was interrupted.")
            comfy_ratios.threading.Event().wait(0.05)
        raise AssertionError("nobody interrupted the measurement")

    server.run = run
    (found,) = list(measure_cases(server, CASES[:1], WIDE, FILES, 1, Budget(0.05)))
    assert "interrupted" in found
