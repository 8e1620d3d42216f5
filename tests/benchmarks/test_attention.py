"""The ways that are timed give the same output and maps; the rows name each of them once."""

import pytest
import torch
from styleroute.attention.columns import Columns
from styleroute.benchmarks import attention


@pytest.mark.parametrize("way", attention.WAYS)
def test_every_way_gives_what_the_whole_softmax_gives(way: str) -> None:
    q, k, v = torch.randn(3, 1, 2, 40, attention.WIDTH, generator=torch.Generator().manual_seed(0))
    columns, rows = Columns.of(attention.SPANS, 1, 40, q.device), slice(10, 30)
    found, expected = (attention.WAYS[name](columns, rows)(q, k, v) for name in (way, "whole softmax"))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_a_row_for_each_way_with_and_without_a_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "TEXT_TOKENS", 12)
    rows = list(attention.run_benchmark(pairs=2, cells=4))
    assert [row.what.split(": ") for row in rows] == [
        *(["forward", name] for name in attention.WAYS),
        *(["forward and backward", name] for name in attention.WITH_GRADIENT),
    ]
    assert all(len(row.values) == 2 and row.passed for row in rows)
