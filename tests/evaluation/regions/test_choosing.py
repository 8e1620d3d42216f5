"""Which variants, styles and objects are compared."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from styleroute.errors import TrainingError
from styleroute.evaluation.regions.config import RegionEvidenceConfig
from styleroute.evaluation.regions.methods import BASE, LOCKED, choose_methods
from styleroute.evaluation.regions.trials import choose_trials, open_mask, region_of, styles_of
from styleroute.training.regions.variants import FULL, NO_COVER, NO_FOCUS

STYLES = ["ink comic", "woven"]


def test_variants_are_compared_in_the_styles_that_all_have(write_variant, capsys) -> None:
    for name, style in ((FULL, "ink comic"), (FULL, "woven"), (NO_COVER, "woven")):
        variants = write_variant(name, style)
    compared = choose_methods(RegionEvidenceConfig(variants=variants), STYLES)
    assert [method.name for method in compared.methods] == [BASE, NO_COVER, FULL, LOCKED]
    assert compared.styles == ["woven"]
    assert NO_FOCUS in compared.left_out
    assert "Left out: without Focus" in capsys.readouterr().out
    assert {method.name: method.steps(["woven"]) for method in compared.methods} == {
        BASE: [], NO_COVER: [3], FULL: [3], LOCKED: [3],
    }  # fmt: skip


def test_a_variant_without_a_style_that_is_asked_for_is_left_out(write_variant) -> None:
    write_variant(NO_COVER, "woven")
    config = RegionEvidenceConfig(variants=write_variant(FULL, "ink comic"), styles=("ink comic",))
    compared = choose_methods(config, STYLES)
    assert (compared.styles, NO_COVER in compared.left_out) == (["ink comic"], True)


def test_what_cannot_be_compared_is_refused(write_variant, tmp_path) -> None:
    with pytest.raises(TrainingError, match="no region expert to try: run `styleroute train region-variants`"):
        choose_methods(RegionEvidenceConfig(variants=tmp_path), STYLES)
    config = RegionEvidenceConfig(variants=write_variant(FULL, "ink comic"))
    with pytest.raises(TrainingError, match="no style 'cubism': give --styles of ink comic, woven"):
        choose_methods(replace(config, styles=("cubism",)), STYLES)
    write_variant(NO_COVER, "woven")
    with pytest.raises(TrainingError, match="no common style"):
        choose_methods(config, STYLES)
    write_variant(FULL, "ink comic", base="flux-kontext")
    with pytest.raises(TrainingError, match=r"for 'flux-kontext', expected a lora for 'tiny-kontext'"):
        choose_methods(config, STYLES)


def test_other_weights_settings_and_locks_have_another_folder(write_variant) -> None:
    def methods(seed: int):
        return choose_methods(RegionEvidenceConfig(variants=write_variant(FULL, "woven", seed=seed)), STYLES).methods

    base, full, locked = methods(0)
    first = {method.folder("woven", "all") for method in (base, full, locked)} | {full.folder("woven", "single")}
    assert len(first) == 4
    assert full.folder("woven", "all").startswith("full_woven-")
    assert methods(1)[1].folder("woven", "all") not in first


def test_each_scene_has_one_object_in_every_style(examples) -> None:
    trials = choose_trials(examples, STYLES, scenes=2)
    assert styles_of(examples) == STYLES
    assert [(region_of(row).style, row.original.stem, region_of(row).object) for row in trials.examples] == [
        ("ink comic", "0000", "teapot"), ("ink comic", "0001", "violin"),
        ("woven", "0000", "teapot"), ("woven", "0001", "violin"),
    ]  # fmt: skip
    assert len(trials.teacher) == 12


def test_an_object_that_lacks_a_style_is_passed_over(examples, capsys) -> None:
    rows = [row for row in examples if (row.original.stem, *row.regions[0:1]) != ("0000", region_of(examples[0]))]
    trials = choose_trials(rows, STYLES, scenes=9)
    assert [thing for _, thing in trials.things] == ["violin", "violin", "teapot"]
    assert "Only 3 scenes" in capsys.readouterr().out
    with pytest.raises(TrainingError, match="no object"):
        choose_trials(rows, [*STYLES, "cubism"], scenes=1)


def test_masks_of_1_and_of_255_are_the_same_and_an_empty_one_is_refused(tmp_path) -> None:
    values = np.zeros((256, 256), np.uint8)
    values[:16] = 1
    for name, factor in (("one", 1), ("white", 255), ("none", 0)):
        Image.fromarray(values * factor).save(tmp_path / f"{name}.png")
    np.testing.assert_array_equal(open_mask(tmp_path / "one.png"), open_mask(tmp_path / "white.png"))
    with pytest.raises(TrainingError, match="shows no object"):
        open_mask(tmp_path / "none.png")


@pytest.mark.parametrize(("field", "value"), [("scenes", 0), ("seeds", 0), ("lock", 0.0)])
def test_impossible_numbers_are_refused(field: str, value: float) -> None:
    with pytest.raises(TrainingError, match=f"{field} is 0"):
        RegionEvidenceConfig(**{field: value})
