from styleroute.evaluation.finding import FAILS, HOLDS, MISSING, UNCLEAR
from styleroute.evaluation.regions.baselines import BLEND
from styleroute.evaluation.regions.scores import RegionScore
from styleroute.evaluation.regions.verdict import CLAIMS, findings
from styleroute.evaluation.rows import Row
from styleroute.training.regions.variants import FULL, NO_ATTENTION, NO_COVER, RELEASE_ALL, RELEASE_CHOICES


def row(name: str, *iou: float, seam: float = 0.1) -> Row:
    shifts = [0.001 * number for number in range(len(iou))]
    scores = [RegionScore(value, 0, 0, 0, 0, 0, 0, seam + shift) for value, shift in zip(iou, shifts, strict=True)]
    return Row(name, list(range(len(iou))), scores, photos=len(iou))


def test_claims_hold_fail_or_are_not_told_apart() -> None:
    rows = [
        row(FULL, 0.7, 0.8, 0.9, seam=0.1),
        row(NO_ATTENTION, 0.4, 0.5, 0.5),
        row(NO_COVER, 0.7, 0.9, 0.7),
        row(RELEASE_ALL, 0.85, 0.95, 1.0),
        row(BLEND, 0, 0, 0, seam=0.2),
    ]
    found = findings(rows)
    outcomes = {finding.claim: finding.outcome for finding in found}
    assert len(found) == len(CLAIMS) + len(RELEASE_CHOICES) + 1
    assert outcomes["... than without attention loss"] == HOLDS
    assert outcomes["... than without Cover"] == UNCLEAR
    assert outcomes["... than without Focus"] == MISSING
    assert outcomes["the seam is weaker than that of a blend with the true mask"] == HOLDS
    assert outcomes[f"the paper's choice is better in place than {RELEASE_ALL}"] == FAILS
