"""AdamW in 8 and 32 bit, and the learning rate schedule."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from styleroute.errors import TrainingError
from styleroute.training.adapters import optimizer as optimizer_module
from styleroute.training.adapters.config import Optimisation, with_options
from styleroute.training.adapters.optimizer import FLOOR, build_optimizer, rate_share, with_settled_optimizer
from styleroute.training.regions.config import RegionTrainConfig
from styleroute.training.run_folder import RunFolder

CPU = torch.device("cpu")


def test_eight_bit_without_a_gpu_is_refused() -> None:
    weights = [torch.nn.Parameter(torch.zeros(2))]
    with pytest.raises(TrainingError, match=r"adamw-8bit needs a GPU .*\(the device is cpu\).*give --optimizer adamw"):
        build_optimizer(Optimisation(optimizer="adamw-8bit"), weights, CPU)
    optimizer = build_optimizer(Optimisation(optimizer="adamw", rate=0.5), weights, CPU)
    assert type(optimizer) is torch.optim.AdamW
    assert optimizer.defaults["lr"] == 0.5
    assert optimizer.defaults["weight_decay"] == 0


@pytest.fixture
def auto(tmp_path: Path) -> RegionTrainConfig:
    return with_options(RegionTrainConfig(), run=tmp_path / "run", optimizer="auto")


@pytest.fixture
def has_8_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a GPU and bitsandbytes."""
    monkeypatch.setattr(optimizer_module, "_missing_for_8_bit", lambda device: "")


def _settled(config: RegionTrainConfig) -> str:
    return with_settled_optimizer(config).optimisation.optimizer


def test_auto_is_the_best_optimizer_of_the_machine(auto: RegionTrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _settled(auto) == "adamw"
    monkeypatch.setattr(optimizer_module, "_missing_for_8_bit", lambda device: "")
    assert _settled(auto) == "adamw-8bit"
    assert _settled(with_options(auto, optimizer="adamw")) == "adamw"


@pytest.mark.parametrize("started", ["adamw", "adamw-8bit"])
@pytest.mark.usefixtures("has_8_bit")
def test_auto_keeps_the_optimizer_that_a_run_has_started_with(auto: RegionTrainConfig, started: str) -> None:
    """On another machine, whose best optimiser may be another one."""
    RunFolder(auto.run.folder, with_options(auto, optimizer=started)).begin()
    again = with_settled_optimizer(auto)
    assert again.optimisation.optimizer == started
    RunFolder(auto.run.folder, again)


@pytest.mark.parametrize(("moments", "started"), [("exp_avg", "adamw"), ("state1", "adamw-8bit")])
def test_a_run_that_stored_auto_goes_on_with_the_optimizer_of_its_checkpoint(
    auto: RegionTrainConfig, monkeypatch: pytest.MonkeyPatch, moments: str, started: str
) -> None:
    """Older versions stored the word itself."""
    run = RunFolder(auto.run.folder, auto)
    run.begin()
    run.checkpoint.save({"optimizer": {"state": {0: {moments: torch.zeros(2)}}}})
    monkeypatch.setattr(optimizer_module, "_missing_for_8_bit", lambda device: "" if started == "adamw" else "no GPU")
    again = with_settled_optimizer(auto)
    assert again.optimisation.optimizer == started
    RunFolder(auto.run.folder, again)


def test_rate_over_the_steps() -> None:
    constant = Optimisation(steps=100, warmup=4)
    assert [rate_share(constant, step) for step in (0, 1, 3, 4, 99)] == [0.25, 0.5, 1, 1, 1]
    cosine = replace(constant, schedule="cosine", warmup=0)
    assert rate_share(cosine, 0) == pytest.approx(1)
    assert rate_share(cosine, 50) == pytest.approx((1 + FLOOR) / 2)
    assert rate_share(cosine, 100) == pytest.approx(FLOOR)
