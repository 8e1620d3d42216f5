import torch
from styleroute.evaluation.styles.expert_overlap import (
    CHANCE,
    DISSIMILAR,
    SAME,
    SIMILAR,
    ExpertOverlap,
    compare_pairs,
    untrained_choices,
)
from styleroute.evaluation.styles.tables import overlap_table
from styleroute.moe import StyleExpert


def test_pairs_share_a_style_or_a_content() -> None:
    # Styles a to e on the contents x and y; a and b have the closest angles.
    styles = [*"abcde", *"abcde"]
    contents = ["x"] * 5 + ["y"] * 5
    angles = torch.tensor([0, 0.1, 0.5, 1.0, 1.6] * 2)
    embeddings = torch.stack([angles.cos(), angles.sin()], dim=1)
    overlap = torch.full((10, 10), 0.5)
    overlap[torch.arange(5), torch.arange(5) + 5] = 0.75  # the same style
    overlap[0, 1] = overlap[5, 6] = 1.0  # a and b on x, on y
    overlap[0, 6] = 0.0  # a on x and b on y: no pair of either kind
    found = {row.name: row for row in compare_pairs(overlap, embeddings, styles, contents)}
    assert {name: (row.pairs, row.iou) for name, row in found.items()} == {
        SAME: (5, 0.75),
        SIMILAR: (2, 1.0),  # a tenth of the 20 pairs
        DISSIMILAR: (10, 0.5),
    }
    assert overlap_table([*found.values(), ExpertOverlap(CHANCE, 0, 0.1, untrained_iou=None)]).row_count == 4


def test_kinds_without_a_pair_are_left_out() -> None:
    found = compare_pairs(torch.ones(3, 3), torch.randn(3, 2), ["a", "a", "b"], ["x", "y", "z"])
    assert [row.name for row in found] == [SAME]


def test_untrained_routers_choose_as_many_experts_in_every_layer(write_moe) -> None:
    expert, styles = StyleExpert.open(write_moe()), torch.randn(3, 256)
    chosen = untrained_choices(expert, torch.cat([styles, styles]))
    assert chosen.keys() == set(expert.layers)
    for indices in chosen.values():
        assert indices.shape == (6, 2)
        assert torch.equal(indices[:3], indices[3:])
