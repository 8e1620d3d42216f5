"""AdamW in 8 and 32 bit, and the learning rate schedule."""

from dataclasses import replace

import pytest
import torch
from styleroute.errors import TrainingError
from styleroute.training.adapters.config import Optimisation
from styleroute.training.adapters.optimizer import FLOOR, build_optimizer, rate_share

CPU = torch.device("cpu")


def test_eight_bit_without_a_gpu_is_refused_and_auto_takes_what_there_is() -> None:
    weights = [torch.nn.Parameter(torch.zeros(2))]
    with pytest.raises(TrainingError, match=r"adamw-8bit needs a GPU .*\(the device is cpu\).*give --optimizer adamw"):
        build_optimizer(Optimisation(optimizer="adamw-8bit"), weights, CPU)
    optimizer = build_optimizer(Optimisation(optimizer="auto", rate=0.5), weights, CPU)
    assert type(optimizer) is torch.optim.AdamW
    assert optimizer.defaults["lr"] == 0.5
    assert optimizer.defaults["weight_decay"] == 0


def test_rate_over_the_steps() -> None:
    constant = Optimisation(steps=100, warmup=4)
    assert [rate_share(constant, step) for step in (0, 1, 3, 4, 99)] == [0.25, 0.5, 1, 1, 1]
    cosine = replace(constant, schedule="cosine", warmup=0)
    assert rate_share(cosine, 0) == pytest.approx(1)
    assert rate_share(cosine, 50) == pytest.approx((1 + FLOOR) / 2)
    assert rate_share(cosine, 100) == pytest.approx(FLOOR)
