"""The full-size benchmark through its own functions, on a small model and without a graphics card."""

from contextlib import nullcontext

import pytest
import torch
from rich.console import Console
from styleroute.benchmarks import all_ratios, experts, full_size, full_size_plan, mixtures
from styleroute.benchmarks.budget import Budget
from styleroute.benchmarks.cases import CASES, PEERS, cases_of
from styleroute.benchmarks.comfy_ratios import CaseResult, ModelSizes
from styleroute.benchmarks.measurement import Measurement
from styleroute.benchmarks.random_files import bytes_of_experts, write_files
from styleroute.benchmarks.results import rows_of
from styleroute.errors import ComfyError, StyleRouteError

from .conftest import SMALL


def test_ratios_peaks_and_transfers_are_measured_in_each_form(server, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = ModelSizes(128, 1, 1, 4, text=16)
    monkeypatch.setattr(full_size, "CASES", cases_of("branch", kind="step"))
    monkeypatch.setattr(full_size, "PEERS", ())
    files = write_files(server.models, sizes.blocks)
    found = list(full_size.measure_forms(server, sizes, files, pairs=1, budget=Budget(600)))
    rows = rows_of(found)
    assert {row.size for row in rows} == {"hidden 128, 1 + 1 blocks, bf16", "hidden 128, 1 + 1 blocks, fp8"}
    assert [(row.what.split(",")[0], row.unit) for row in rows[: len(rows) // 2]] == [
        ("bytes read for a style", ""),
        ("read", "s"),
        ("move a style to the device", "s"),
        ("step", ""),
        ("step", "GiB"),
    ]


def test_the_files_have_the_planned_size(server) -> None:
    files = write_files(server.models, SMALL.blocks)
    assert 0 < files.expert.stat().st_size - bytes_of_experts(SMALL.blocks) < 20_000


class BrokenServer:
    def run(self, prompt: dict) -> dict:
        raise ComfyError("Not enough memory\nThe end of its log:")

    def interrupt(self) -> None: ...


def test_a_form_that_fails_leaves_the_other() -> None:
    found = list(full_size.measure_forms(BrokenServer(), SMALL, _Files(), 1, Budget(600)))
    assert [each.endswith("not measured (Not enough memory)") for each in found] == [True, True]
    over = list(full_size.measure_forms(BrokenServer(), SMALL, _Files(), 1, Budget(0)))
    assert all("the time limit is reached" in each for each in over)


class _Files:
    json = "{}"


def test_diffusers_measurements_run_with_the_same_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experts, "peak_of_side", lambda *_: 1)
    monkeypatch.setattr(mixtures, "MIXTURES", dict(list(mixtures.MIXTURES.items())[:2]))
    monkeypatch.setattr(full_size, "GPU_TRAINING", ((1, 4), (2, 4)))
    sizes = all_ratios.diffusers_sizes(ModelSizes(128, 1, 1, 4))
    rows = list(full_size.measure_diffusers(1, Budget(600), sizes, 4, "cpu"))
    assert len(rows) == 2 + 2 * 2
    assert {row.size for row in rows} == {"hidden 128, 1 + 1 blocks"}


def test_a_full_card_gets_half_of_the_blocks() -> None:
    tried = []

    def measure(sizes: dict):
        tried.append((sizes["num_layers"], sizes["num_single_layers"]))
        if sizes["num_layers"] > 5:
            raise torch.OutOfMemoryError
        yield Measurement("step", "bare", (1.0,), None)

    sizes = all_ratios.diffusers_sizes(full_size.KONTEXT)
    found = list(full_size.fitting(measure, sizes, Budget(600)))
    assert tried == [(19, 38), (9, 19), (4, 9)]
    assert [isinstance(each, Measurement) for each in found] == [False, False, True]
    assert "hidden 3072, 9 + 19 blocks in diffusers: the memory is too small" in found[1]


def test_a_card_that_is_too_small_for_one_block_is_named() -> None:
    def measure(sizes: dict):
        raise torch.OutOfMemoryError
        yield

    *_, last = full_size.fitting(measure, all_ratios.diffusers_sizes(ModelSizes(3072, 1, 2)), Budget(600))
    assert "not measured, because the memory is too small" in last


def test_the_plan_has_every_case_with_its_bound() -> None:
    console = Console(width=200, record=True)
    console.print(full_size_plan.plan_text(), full_size_plan.plan_table())
    text = " ".join(console.export_text().split())
    assert "11.90 B weights (23.8 GB in bf16, 11.9 GB in fp8), 155.9 T operations" in text
    assert all(" ".join(case.what.split()) in text for case in (*CASES, *PEERS))


def test_models_shrink_to_the_width_of_flux_with_few_blocks() -> None:
    assert [each.name for each in all_ratios.models((256, 3072), 32)] == [
        "hidden 256, 2 + 4 blocks",
        "hidden 3072, 1 + 1 blocks",
    ]
    with pytest.raises(StyleRouteError, match="hidden size 200 is no multiple of 128"):
        all_ratios.models((200,), 32)


def test_all_sizes_are_measured_in_one_comfyui(server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(all_ratios, "CASES", cases_of("patch", kind="change"))
    monkeypatch.setattr(all_ratios, "PEERS", ())
    found = list(all_ratios.measure_models(server, all_ratios.models((128, 256), 4), 1, Budget(600)))
    assert [type(each) for each in found] == [Measurement, CaseResult] * 2
    assert [row.size for row in rows_of(found)[::2]] == ["hidden 128, 2 + 4 blocks", "hidden 256, 2 + 4 blocks"]


@pytest.fixture
def few_parts(server, monkeypatch: pytest.MonkeyPatch) -> None:
    """One case, one mixture and one training step, measured in this process instead of in a new ComfyUI."""
    for module in (all_ratios, full_size):
        monkeypatch.setattr(module, "CASES", cases_of("branch", kind="step"))
        monkeypatch.setattr(module, "PEERS", ())
        monkeypatch.setattr(module.ComfyServer, "start", lambda **_: nullcontext(server))
        monkeypatch.setattr(module, "import_rows", lambda *_, **__: iter(["import"]))
    monkeypatch.setattr(full_size, "FORMS", ("bf16",))
    monkeypatch.setattr(full_size, "GPU_TRAINING", ((1, 4),))
    monkeypatch.setattr(mixtures, "MIXTURES", dict(list(mixtures.MIXTURES.items())[:1]))
    monkeypatch.setattr(experts, "peak_of_side", lambda *_: 1)
    monkeypatch.setattr(all_ratios, "training_rows", lambda pairs, budget: iter(["training"]))


def test_a_whole_run_at_full_size(few_parts) -> None:
    found = list(full_size.run_full_size(1, Budget(600), ModelSizes(128, 1, 1, 4), device="cpu"))
    rows = rows_of(found)
    assert [row.what.split(",")[0] for row in rows][-3:] == ["step in diffusers", "training step", "training step"]
    assert len(rows) == 5 + 3
    assert found[-1] == "import"


def test_a_whole_run_of_all_ratios(few_parts) -> None:
    found = list(all_ratios.run_benchmark(all_ratios.models((128,), 4), 1, Budget(600)))
    assert [row.what.split(",")[0] for row in rows_of(found)] == ["bytes read for a style", "step", "step in diffusers"]
    assert found[-2:] == ["training", "import"]


def test_without_time_a_run_ends_after_its_start(few_parts) -> None:
    found = list(all_ratios.run_benchmark(all_ratios.models((128, 256), 4), 1, Budget(0)))
    assert all("the time limit is reached" in each for each in found[:-2])
    assert len(found) == 2 + 2 + 2
