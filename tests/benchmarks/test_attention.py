"""All timed methods compute the same output and maps, and each has one row."""

import pytest
import torch
from styleroute.attention.columns import Columns
from styleroute.benchmarks import attention


@pytest.mark.parametrize("method", attention.METHODS)
def test_every_method_equals_the_whole_softmax(method: str) -> None:
    q, k, v = torch.randn(3, 1, 2, 40, attention.WIDTH, generator=torch.Generator().manual_seed(0))
    columns, rows = Columns.of(attention.SPANS, 1, 40, q.device), slice(10, 30)
    found, expected = (attention.METHODS[name](columns, rows)(q, k, v) for name in (method, "whole softmax"))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_each_method_has_a_row_with_and_without_a_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "TEXT_TOKENS", 12)
    rows = list(attention.run_benchmark(pairs=2, cells=4))
    assert [row.what.split(": ") for row in rows] == [
        *(["forward", name] for name in attention.METHODS),
        *(["forward and backward", name] for name in attention.WITH_GRADIENT),
    ]
    assert all(len(row.values) == 2 and row.passed for row in rows)
