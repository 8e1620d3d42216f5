"""The choice of variants, styles and objects to compare."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from styleroute.errors import TrainingError
from styleroute.evaluation.regions.config import RegionEvaluationConfig
from styleroute.evaluation.regions.methods import BASE, LOCKED, choose_methods
from styleroute.evaluation.regions.trials import choose_trials, open_mask, region_of, styles_of
from styleroute.training.regions.variants import FULL, NO_COVER, NO_FOCUS

STYLES = ["ink comic", "woven"]


def test_variants_are_compared_in_their_common_styles(write_variant, capsys) -> None:
    for name, style in ((FULL, "ink comic"), (FULL, "woven"), (NO_COVER, "woven")):
        variants = write_variant(name, style)
    compared = choose_methods(RegionEvaluationConfig(variants=variants), STYLES)
    assert [method.name for method in compared.methods] == [BASE, NO_COVER, FULL, LOCKED]
    assert compared.styles == ["woven"]
    assert NO_FOCUS in compared.left_out
    assert "Left out: without Focus" in capsys.readouterr().out
    assert {method.name: method.steps(["woven"]) for method in compared.methods} == {
        BASE: [], NO_COVER: [3], FULL: [3], LOCKED: [3],
    }  # fmt: skip


def test_a_variant_without_a_requested_style_is_left_out(write_variant) -> None:
    write_variant(NO_COVER, "woven")
    config = RegionEvaluationConfig(variants=write_variant(FULL, "ink comic"), styles=("ink comic",))
    compared = choose_methods(config, STYLES)
    assert (compared.styles, NO_COVER in compared.left_out) == (["ink comic"], True)


def test_missing_and_unfit_files_and_styles_are_refused(write_variant, tmp_path) -> None:
    with pytest.raises(TrainingError, match="no region expert to evaluate: run `styleroute train region-variants`"):
        choose_methods(RegionEvaluationConfig(variants=tmp_path), STYLES)
    config = RegionEvaluationConfig(variants=write_variant(FULL, "ink comic"))
    with pytest.raises(TrainingError, match="no style 'cubism': give --styles from ink comic, woven"):
        choose_methods(replace(config, styles=("cubism",)), STYLES)
    write_variant(NO_COVER, "woven")
    with pytest.raises(TrainingError, match="no common style"):
        choose_methods(config, STYLES)
    write_variant(FULL, "ink comic", base="flux-kontext")
    with pytest.raises(TrainingError, match=r"for 'flux-kontext', expected a lora for 'tiny-kontext'"):
        choose_methods(config, STYLES)


def test_each_combination_of_weights_settings_and_lock_has_its_own_folder(write_variant) -> None:
    def methods(seed: int):
        return choose_methods(RegionEvaluationConfig(variants=write_variant(FULL, "woven", seed=seed)), STYLES).methods

    base, full, locked = methods(0)
    first = {method.images_folder("woven", "all") for method in (base, full, locked)} | {
        full.images_folder("woven", "single")
    }
    assert len(first) == 4
    assert full.images_folder("woven", "all").startswith("full_woven-")
    assert methods(1)[1].images_folder("woven", "all") not in first


def test_each_scene_has_one_object_in_every_style(examples) -> None:
    trials = choose_trials(examples, STYLES, scenes=2)
    assert styles_of(examples) == STYLES
    assert [(region_of(row).style, row.original.stem, region_of(row).object) for row in trials.examples] == [
        ("ink comic", "0000", "teapot"), ("ink comic", "0001", "violin"),
        ("woven", "0000", "teapot"), ("woven", "0001", "violin"),
    ]  # fmt: skip
    assert len(trials.teacher) == 12


def test_an_object_without_all_styles_is_left_out(examples, capsys) -> None:
    rows = [row for row in examples if (row.original.stem, *row.regions[0:1]) != ("0000", region_of(examples[0]))]
    trials = choose_trials(rows, STYLES, scenes=9)
    assert [name for _, name in trials.objects] == ["violin", "violin", "teapot"]
    assert "Only 3 scenes" in capsys.readouterr().out
    with pytest.raises(TrainingError, match="no object"):
        choose_trials(rows, [*STYLES, "cubism"], scenes=1)


def test_white_is_1_or_255_and_an_empty_mask_is_refused(tmp_path) -> None:
    values = np.zeros((256, 256), np.uint8)
    values[:16] = 1
    for name, factor in (("one", 1), ("white", 255), ("none", 0)):
        Image.fromarray(values * factor).save(tmp_path / f"{name}.png")
    np.testing.assert_array_equal(open_mask(tmp_path / "one.png"), open_mask(tmp_path / "white.png"))
    with pytest.raises(TrainingError, match="is all black"):
        open_mask(tmp_path / "none.png")


@pytest.mark.parametrize(("field", "value"), [("scenes", 0), ("seeds", 0), ("lock", 0.0)])
def test_impossible_numbers_are_refused(field: str, value: float) -> None:
    with pytest.raises(TrainingError, match=f"{field} is 0"):
        RegionEvaluationConfig(**{field: value})
