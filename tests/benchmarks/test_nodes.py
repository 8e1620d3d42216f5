from styleroute.benchmarks.nodes import capture_rows

SECONDS = {"bare": [1.0, 2.0], "captured": [1.02, 2.04], "naive": [1.5, 3.0]}
BYTES = {"bare": [100, 100], "captured": [101, 101], "naive": [120, 120]}


def measured(held: dict[str, list[int]]) -> dict:
    return {side: {"seconds": SECONDS[side], "bytes": held[side]} for side in SECONDS}


def test_captured_and_naive_steps_are_compared_with_the_bare_step() -> None:
    captured, memory, naive, naive_memory = capture_rows("an attention", measured(BYTES))
    assert (captured.median, captured.limit, captured.passed) == (1.02, 1.05, True)
    assert (memory.median, memory.limit, memory.passed) == (1.01, 1.02, True)
    assert (naive.median, naive.limit) == (1.5, None)
    assert (naive_memory.median, naive_memory.limit) == (1.2, None)


def test_memory_is_left_out_if_the_system_does_not_report_it() -> None:
    rows = list(capture_rows("an attention", measured({side: [0, 0] for side in SECONDS})))
    assert [row.median for row in rows] == [1.02, 1.5]
