from styleroute.evaluation.claims import FAILS, HOLDS, MISSING, UNCLEAR
from styleroute.evaluation.method_scores import MethodScores
from styleroute.evaluation.regions.baselines import BLEND
from styleroute.evaluation.regions.claims import CHOICE_CLAIMS, PAPER_CLAIMS, claim_results
from styleroute.evaluation.regions.scores import RegionScore
from styleroute.training.regions.variants import FULL, NO_ATTENTION, NO_COVER, NO_FOCUS, RELEASE_ALL


def scores(name: str, *iou: float, seam: float = 0.1) -> MethodScores:
    shifts = [0.001 * number for number in range(len(iou))]
    images = [RegionScore(value, 0, 0, 0, 0, 0, 0, seam + shift) for value, shift in zip(iou, shifts, strict=True)]
    return MethodScores(name, list(range(len(iou))), images, per_style=len(iou))


def test_claims_hold_fail_or_are_not_significant() -> None:
    methods = [
        scores(FULL, 0.7, 0.8, 0.9, seam=0.1),
        scores(NO_ATTENTION, 0.4, 0.5, 0.5),
        scores(NO_COVER, 0.7, 0.9, 0.7),
        scores(RELEASE_ALL, 0.85, 0.95, 1.0),
        scores(BLEND, 0, 0, 0, seam=0.2),
    ]
    results = claim_results(methods)
    outcomes = {result.claim: result.outcome for result in results}
    assert len(results) == len(PAPER_CLAIMS) + len(CHOICE_CLAIMS)
    assert outcomes[f"map IoU: {FULL} > {NO_ATTENTION}"] == HOLDS
    assert outcomes[f"map IoU: {FULL} > {NO_COVER}"] == UNCLEAR
    assert outcomes[f"map IoU: {FULL} > {NO_FOCUS}"] == MISSING
    assert outcomes[f"seam: {FULL} < {BLEND}"] == HOLDS
    assert outcomes[f"map IoU: {FULL} > {RELEASE_ALL}"] == FAILS
