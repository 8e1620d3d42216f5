"""The bar: which numbers hold, and which instruction is named."""

from dataclasses import replace
from pathlib import Path

import pytest
from styleroute.evaluation.claims import FAILS, HOLDS
from styleroute.evaluation.tiny.bar import check_bar
from styleroute.evaluation.tiny.scores import InstructionScore, SizeEvaluation

GOOD = SizeEvaluation(
    size=(384, 640),
    photos=14,
    autoencoder=28.5,
    ceiling=InstructionScore("(VAE alone)", 28.0, 28.0, 28.0, 0.5),
    edits=[
        InstructionScore("keep", 27.0, 27.0, 27.0, 0.9),
        InstructionScore("brighter", 25.0, None, None, 1.5),
        InstructionScore("object darker", 26.0, 22.0, 27.0, 1.0),
    ],
    sheet=Path("sheet.jpg"),
)


def _with(number: int, **changes: float) -> SizeEvaluation:
    edits = list(GOOD.edits)
    edits[number] = replace(edits[number], **changes)
    return replace(GOOD, edits=edits)


@pytest.mark.parametrize(
    ("found", "outcomes"),
    [
        (GOOD, [HOLDS, HOLDS, HOLDS]),
        (_with(0, image=26.9), [FAILS, HOLDS, HOLDS]),
        (_with(1, image=24.9), [HOLDS, FAILS, HOLDS]),
        (_with(2, image=24.9), [HOLDS, FAILS, HOLDS]),
        (_with(2, seam=1.6), [HOLDS, HOLDS, FAILS]),
    ],
    ids=["all hold", "keep", "image", "object", "seam"],
)
def test_each_line_holds_up_to_its_limit(found: SizeEvaluation, outcomes: list[str]) -> None:
    assert [line.outcome for line in check_bar(found)] == outcomes


def test_the_lines_name_size_numbers_and_the_worst_instruction() -> None:
    keep, lowest, seam = check_bar(GOOD)
    assert keep.claim == "384 x 640: keep is within 1 dB of the VAE"
    assert keep.numbers == "keep 27.0 dB, VAE alone 28.0 dB"
    assert lowest.numbers == "lowest: brighter, 25.0 dB"
    assert seam.numbers == "largest: brighter, 1.50 times"
