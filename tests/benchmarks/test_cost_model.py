"""The cost model against counts by torch, by PEFT's number of weights, and by hand."""

from dataclasses import replace

import pytest
from rich.console import Console
from styleroute.benchmarks import cost
from styleroute.benchmarks.card_costs import KONTEXT, assumptions, card_cost, card_costs, card_tables
from styleroute.benchmarks.cases import cases_of
from styleroute.benchmarks.comfy_ratios import CaseResult, ModelSizes
from styleroute.benchmarks.cost_model import (
    Kernel,
    bare_step,
    branch,
    maps,
    moved_bytes,
    operations,
    style_weights,
    two_masks,
    weights_of,
)
from styleroute.benchmarks.devices import CARDS, Device, this_machine
from styleroute.benchmarks.growth import compare, growth_table, step_sizes
from styleroute.benchmarks.random_files import LORA_RANK, Blocks, random_lora

SMALL = replace(KONTEXT, hidden=256, double=1, single=2, image=16, reference=16)
DEVICE = Device("a device", 1e9, matmul=1e6, attention=1e5, bandwidth=1e4, bus=1e3, launch=0.5)


def test_operations_are_those_that_torch_counts() -> None:
    """The layers outside the blocks are left out: at this size they have more text than the blocks."""
    sizes = {**cost.KONTEXT, "num_layers": 1, "num_single_layers": 2, "num_attention_heads": 2}
    counted = cost.count_cost("base model", None, sizes, 32).operations
    none = cost.count_cost("base model", None, {**sizes, "num_layers": 0, "num_single_layers": 0}, 32).operations
    assert operations(list(bare_step(SMALL))) == pytest.approx(counted - none, rel=1e-9)


def test_a_style_has_the_weights_of_a_lora_of_its_rank() -> None:
    state = random_lora(LORA_RANK, Blocks(256, 1, 2))
    assert style_weights(SMALL) == sum(weight.numel() for weight in state.values())


def test_a_branch_adds_its_rank_to_each_token() -> None:
    """2 operations for each weight of the style and each token that passes it."""
    kernels = list(branch(replace(SMALL, text=0, image=1, reference=0, double=0)))
    assert operations(kernels) == 2 * style_weights(replace(SMALL, double=0))


def test_two_halves_cost_as_many_operations_as_the_image_without_its_text() -> None:
    without_text = replace(SMALL, text=0)
    assert operations(list(two_masks(SMALL))) == pytest.approx(operations(list(branch(without_text))))
    assert moved_bytes(list(two_masks(SMALL))) > moved_bytes(list(branch(without_text)))


def test_maps_cost_a_few_columns_of_each_block() -> None:
    assert operations(list(maps(SMALL))) == 3 * 2 * 16 * 6 * 256


def test_the_slowest_resource_decides_a_kernels_time() -> None:
    kernels = [
        Kernel("matmul", 3e6, 1),
        Kernel("attention", 3e5, 1),
        Kernel("memory", 0, 2e4, 2),
        Kernel("memory", 0, 1),
    ]
    assert DEVICE.seconds(kernels) == pytest.approx(3 + 3 + 2 * 2 + 0.5)


def test_weights_that_do_not_fit_cross_the_bus_at_every_step() -> None:
    roomy = card_cost(SMALL, replace(DEVICE, memory=1e12), "bf16")
    tight = card_cost(SMALL, replace(DEVICE, memory=0.0), "bf16")
    assert (roomy.resident, roomy.bus_bytes, roomy.ratios["patch"]) == (1.0, 0.0, 1.0)
    assert (tight.resident, tight.bus_bytes) == (0.0, 2 * weights_of(SMALL))
    assert tight.seconds == pytest.approx(roomy.seconds + tight.bus_bytes / DEVICE.bus)
    assert tight.ratios["patch"] > 1


def test_the_full_model_has_kontexts_sizes() -> None:
    assert weights_of(KONTEXT) == (19 * (24 + 12) + 38 * (12 + 3)) * 3072**2
    assert operations(list(bare_step(KONTEXT))) == pytest.approx(155.9e12, rel=0.005)


def test_every_card_and_form_has_a_row_with_its_assumptions() -> None:
    costs = list(card_costs())
    assert [(each.card, each.form) for each in costs] == [(card, form) for card in CARDS for form in ("bf16", "fp8")]
    assert [each.resident == 1 for each in costs] == [False, False, False, True, True, True]
    console = Console(width=120, record=True)
    console.print(*card_tables(costs), assumptions())
    text = console.export_text()
    assert all(word in text for word in ("Nothing here is measured", "Assumed: 60%", "12 GB", "24 GB", "80 GB"))


def test_this_machine_has_rates() -> None:
    device = this_machine(hidden=32, tokens=8, heads=1)
    assert min(device.matmul, device.attention, device.bandwidth, device.launch) > 0


def test_predictions_stand_beside_the_measured_growth() -> None:
    (case,) = cases_of("branch", kind="step")
    sizes = [ModelSizes(hidden, 1, 1, 4) for hidden in (128, 256)]
    results = [CaseResult(case, each, ((1.1 * time, time),), ()) for each, time in zip(sizes, (1.0, 4.0), strict=True)]
    other = CaseResult(cases_of("stock LoRA")[0], sizes[0], ((1.0, 1.0),), ())
    found = compare([*results, other], DEVICE)
    assert [(each.side, each.seconds, round(each.ratio, 6)) for each in found] == [
        ("branch", 1, 1.1),
        ("branch", 4, 1.1),
    ]
    for each in found:
        bare = DEVICE.seconds(bare_step(step_sizes(each.sizes)))
        assert each.predicted_seconds == bare
        assert each.predicted_ratio == 1 + DEVICE.seconds(branch(step_sizes(each.sizes))) / bare
    console = Console(width=200, record=True)
    console.print(growth_table(found, DEVICE))
    assert "x 4.0" in console.export_text()


def test_a_cpu_computes_in_float32() -> None:
    assert (step_sizes(ModelSizes()).weight_bytes, step_sizes(ModelSizes()).activation_bytes) == (4, 4)
    assert (step_sizes(ModelSizes(form="fp8")).weight_bytes, step_sizes(ModelSizes(form="fp8")).activation_bytes) == (
        1,
        2,
    )
