import pytest
from styleroute.evaluation.claims import FAILS, HOLDS, MISSING, UNCLEAR, UNEQUAL, summarise
from styleroute.evaluation.method_scores import MethodScores, mean_difference
from styleroute.evaluation.styles.baselines import COLOUR, COLOUR_VAE
from styleroute.evaluation.styles.claims import claim_results
from styleroute.evaluation.styles.expert_overlap import DISSIMILAR, SIMILAR, ExpertOverlap
from styleroute.evaluation.styles.methods import FULL, FULL_REFERENCE, GUIDED, NO_ENCODER, SINGLE_LORA, WIDE
from styleroute.evaluation.styles.scores import StyleScore
from styleroute.evaluation.styles.unseen_loss import UnseenLoss
from styleroute.evaluation.tables import claims_table


def style_score(texture_distance: float, own_texture: float = 0, edges_kept: float = 0) -> StyleScore:
    return StyleScore(0, 0, 0, edges_kept, 0, 0, texture_distance, own_texture)


def scores(name: str, *similarities: float, seeds: int = 1) -> MethodScores:
    """A method whose images have these texture distances, with the opposite sign: larger is better."""
    trials = [number // seeds for number in range(len(similarities))]
    return MethodScores(
        name, trials, [style_score(-value) for value in similarities], per_style=len(similarities) // seeds
    )


def losses_of(name: str, *loss: float) -> MethodScores:
    return MethodScores(name, list(range(len(loss))), [UnseenLoss(value) for value in loss], per_style=len(loss))


def test_claims_hold_fail_or_are_not_significant() -> None:
    methods = [
        scores(FULL, 0.95, 0.96, 0.97),
        scores(SINGLE_LORA, 0.93, 0.94, 0.95),
        scores(NO_ENCODER, 0.96, 0.96, 0.97),
        scores(COLOUR, 0.99, 0.90, 0.97),
        scores(COLOUR_VAE, 0.94, 0.95, 0.96),
    ]
    losses = [losses_of(FULL, 0.2, 0.3), losses_of(SINGLE_LORA, 0.3, 0.4), losses_of(NO_ENCODER, 0.25, 0.35)]
    results = claim_results(
        methods, losses, [ExpertOverlap(SIMILAR, 5, 0.3, 0.2), ExpertOverlap(DISSIMILAR, 5, 0.1, 0.1)]
    )
    assert [result.outcome for result in results] == [
        *(HOLDS, FAILS, UNCLEAR, HOLDS, *[MISSING] * 6),  # texture distance
        *(*[UNCLEAR] * 4, *[MISSING] * 6),  # own texture, the same in all images
        *(HOLDS, FAILS, *[MISSING] * 4),  # loss
        HOLDS,  # expert overlap
        *[MISSING] * 3,  # goals
    ]
    assert results[4].numbers == "no full + style reference"
    assert results[-4].numbers == "ratio 3.00, in the paper 3.13, untrained routers 2.00"
    summary = summarise(results)
    assert summary.startswith("Tested 30 claims. Holds: texture distance: full < single LoRA")
    assert all(f"{outcome.capitalize()}: " in summary for outcome in (HOLDS, FAILS, UNCLEAR, MISSING))
    assert claims_table(results).row_count == 30


def test_the_goals_need_the_own_texture_of_more_images_and_the_edges_with_guidance() -> None:
    def method(name: str, own: list[float], edges: float) -> MethodScores:
        return MethodScores(name, [0, 1, 2, 3], [style_score(1, value, edges) for value in own], per_style=4)

    methods = [
        method(WIDE, [1, 1, 1, 0.9], 0.3),
        method(COLOUR, [0, 0, 0.1, 0], 0.9),
        method(GUIDED, [1, 1, 0, 0], 0.51),
    ]
    over_colour, over_vae, edges = claim_results(methods, [], [])[-3:]
    assert over_colour.claim == f"own texture: {WIDE} > {COLOUR} by 15%"
    assert (over_colour.outcome, over_vae.outcome, edges.outcome) == (HOLDS, MISSING, HOLDS)
    assert edges.numbers == "0.510 ± 0.000"


def test_differences_are_paired_by_trial_over_the_means_of_seeds() -> None:
    better = scores("b", 0.5, 0.7, 0.9, 1.1, seeds=2)  # 0.6 and 1.0
    found = mean_difference(better, scores("w", 0.5, 0.8), "texture_distance")  # -0.1 and -0.2
    assert (found.value, found.standard_error) == pytest.approx((-0.15, 0.05))


def test_the_overlap_of_untrained_routers_does_not_count_as_an_effect_of_training() -> None:
    results = claim_results([], [], [ExpertOverlap(SIMILAR, 5, 0.4, 0.3), ExpertOverlap(DISSIMILAR, 5, 0.1, 0.08)])
    assert results[-4].outcome == UNCLEAR
    assert results[-4].numbers == "ratio 4.00, in the paper 3.13, untrained routers 3.75"


def test_too_little_overlap_fails_and_a_single_trial_is_not_significant() -> None:
    overlaps = [ExpertOverlap(SIMILAR, 5, 0.15), ExpertOverlap(DISSIMILAR, 5, 0.1)]
    results = claim_results([scores(FULL, 0.9), scores(SINGLE_LORA, 0.8)], [], overlaps)
    assert (results[0].outcome, results[-4].outcome) == (UNCLEAR, FAILS)


def test_methods_with_different_training_are_not_compared() -> None:
    methods = [scores(FULL, 0.95, 0.96), scores(SINGLE_LORA, 0.85, 0.86), scores(NO_ENCODER, 0.75, 0.76)]
    training = {FULL: {"steps": 1200}, SINGLE_LORA: {"steps": 360}, NO_ENCODER: {}}
    longer, unrecorded, *_ = claim_results(methods, [], [], training)
    assert (longer.outcome, longer.numbers) == (UNEQUAL, "different training: steps 1200 and 360")
    assert (unrecorded.outcome, unrecorded.numbers) == (UNEQUAL, "different training: steps 360 and not recorded")
    assert claim_results(methods, [], [], {FULL: {"steps": 360}, SINGLE_LORA: {"steps": 360}})[0].outcome == HOLDS
    assert "Not comparable: texture distance: full < single LoRA" in summarise([longer, unrecorded])


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        ({"condition_digest": "a"}, {"condition_digest": "b"}, UNEQUAL),
        ({"condition_digest": "a"}, {"condition_digest": "a"}, HOLDS),
        ({"condition_digest": "a"}, {}, HOLDS),  # a plain LoRA has no encoder
        ({"schedule": "cosine"}, {"schedule": "constant"}, UNEQUAL),
        ({"warmup": 50}, {"warmup": 0}, UNEQUAL),
        ({"schedule": "cosine", "warmup": 50}, {}, HOLDS),  # an older file records neither
        ({"schedule": "cosine", "window": 16}, {}, UNEQUAL),
    ],
)
def test_optional_settings_differ_only_if_both_files_record_them(first: dict, second: dict, outcome: str) -> None:
    training = {WIDE: {"steps": 360, **first}, FULL_REFERENCE: {"steps": 360, **second}}
    methods = [scores(WIDE, 0.95, 0.96), scores(FULL_REFERENCE, 0.85, 0.86)]
    losses = [losses_of(WIDE, 0.2, 0.3), losses_of(FULL_REFERENCE, 0.3, 0.4)]
    outcomes = {result.claim: result.outcome for result in claim_results(methods, losses, [], training)}
    assert outcomes[f"texture distance: {WIDE} < {FULL_REFERENCE}"] == outcome
    assert outcomes[f"loss: {WIDE} < {FULL_REFERENCE}"] == outcome
