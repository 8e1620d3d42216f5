import pytest
from styleroute.evaluation.finding import FAILS, HOLDS, MISSING, UNCLEAR, UNEQUAL, difference, sentence
from styleroute.evaluation.rows import Row
from styleroute.evaluation.styles.methods import FULL, FULL_REFERENCE, NO_ENCODER, SINGLE_LORA, WIDE
from styleroute.evaluation.styles.overlap import DISSIMILAR, SIMILAR, Overlap
from styleroute.evaluation.styles.scores import COLOUR, COLOUR_REDRAWN, Score
from styleroute.evaluation.styles.unseen_loss import UnseenLoss
from styleroute.evaluation.styles.verdict import findings
from styleroute.evaluation.verdict_table import verdict_table


def row(name: str, *judge: float, seeds: int = 1) -> Row:
    trials = [number // seeds for number in range(len(judge))]
    return Row(name, trials, [Score(value, 0, 0, 0, 0) for value in judge], photos=len(judge) // seeds)


def loss_row(name: str, *loss: float) -> Row:
    return Row(name, list(range(len(loss))), [UnseenLoss(value) for value in loss], photos=len(loss))


def test_orders_hold_fail_or_are_not_told_apart() -> None:
    rows = [
        row(FULL, 0.95, 0.96, 0.97),
        row(SINGLE_LORA, 0.93, 0.94, 0.95),
        row(NO_ENCODER, 0.96, 0.96, 0.97),
        row(COLOUR, 0.99, 0.90, 0.97),
        row(COLOUR_REDRAWN, 0.94, 0.95, 0.96),
    ]
    losses = [loss_row(FULL, 0.2, 0.3), loss_row(SINGLE_LORA, 0.3, 0.4), loss_row(NO_ENCODER, 0.25, 0.35)]
    found = findings(rows, losses, [Overlap(SIMILAR, 5, 0.3, 0.2), Overlap(DISSIMILAR, 5, 0.1, 0.1)])
    assert [finding.outcome for finding in found] == [
        *(HOLDS, FAILS, UNCLEAR, HOLDS, *[MISSING] * 5),  # on the judge
        *(HOLDS, FAILS, *[MISSING] * 3),  # in loss
        HOLDS,
    ]
    assert found[4].numbers == "no full + style reference"
    assert found[-1].numbers == "3.00 times, the paper 3.13, untrained routers 2.00"
    said = sentence(found)
    assert said.startswith("Verdict on 15 expected orders. Holds: full > single LoRA")
    assert all(f"{outcome.capitalize()}: " in said for outcome in (HOLDS, FAILS, UNCLEAR, MISSING))
    assert verdict_table(found).row_count == 15


def test_differences_are_paired_by_trial_over_the_means_of_seeds() -> None:
    better = row("b", 0.5, 0.7, 0.9, 1.1, seeds=2)  # 0.6 and 1.0
    found = difference(better, row("w", 0.5, 0.8), "judge")  # 0.1 and 0.2
    assert (found.value, found.error) == pytest.approx((0.15, 0.05))


def test_overlap_that_untrained_routers_have_too_is_not_the_trainings_doing() -> None:
    found = findings([], [], [Overlap(SIMILAR, 5, 0.4, 0.3), Overlap(DISSIMILAR, 5, 0.1, 0.08)])
    assert found[-1].outcome == UNCLEAR
    assert found[-1].numbers == "4.00 times, the paper 3.13, untrained routers 3.75"


def test_too_little_overlap_does_not_hold_and_a_single_trial_tells_nothing() -> None:
    overlaps = [Overlap(SIMILAR, 5, 0.15), Overlap(DISSIMILAR, 5, 0.1)]
    found = findings([row(FULL, 0.9), row(SINGLE_LORA, 0.8)], [], overlaps)
    assert (found[0].outcome, found[-1].outcome) == (UNCLEAR, FAILS)


def test_methods_that_were_trained_otherwise_are_not_compared() -> None:
    rows = [row(FULL, 0.95, 0.96), row(SINGLE_LORA, 0.85, 0.86), row(NO_ENCODER, 0.75, 0.76)]
    training = {FULL: {"steps": 1200}, SINGLE_LORA: {"steps": 360}, NO_ENCODER: {}}
    longer, untold, *_ = findings(rows, [], [], training)
    assert (longer.outcome, longer.numbers) == (UNEQUAL, "trained otherwise: steps 1200 and 360")
    assert untold.outcome == UNEQUAL
    assert findings(rows, [], [], {FULL: {"steps": 360}, SINGLE_LORA: {"steps": 360}})[0].outcome == HOLDS
    assert "Not comparable: full > single LoRA" in sentence([longer, untold])


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        ({"condition_digest": "a"}, {"condition_digest": "b"}, UNEQUAL),
        ({"condition_digest": "a"}, {"condition_digest": "a"}, HOLDS),
        ({"condition_digest": "a"}, {}, HOLDS),  # a plain LoRA reads no encoder
        ({"schedule": "cosine"}, {"schedule": "constant"}, UNEQUAL),
        ({"warmup": 50}, {"warmup": 0}, UNEQUAL),
        ({"schedule": "cosine", "warmup": 50}, {}, HOLDS),  # a file of before they were told
        ({"schedule": "cosine", "window": 16}, {}, UNEQUAL),
    ],
)
def test_some_things_differ_only_where_both_tell_them(first: dict, second: dict, outcome: str) -> None:
    training = {WIDE: {"steps": 360, **first}, FULL_REFERENCE: {"steps": 360, **second}}
    rows, losses = (
        [make(WIDE, *ours), make(FULL_REFERENCE, *theirs)]
        for make, ours, theirs in ((row, (0.95, 0.96), (0.85, 0.86)), (loss_row, (0.2, 0.3), (0.3, 0.4)))
    )
    found = {finding.claim: finding.outcome for finding in findings(rows, losses, [], training)}
    assert found[f"{WIDE} > {FULL_REFERENCE} on the judge"] == outcome
    assert found[f"{WIDE} < {FULL_REFERENCE} in loss"] == outcome
