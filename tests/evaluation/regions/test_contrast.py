"""The contrast of maps for present and absent objects: which words, blocks and models are compared."""

from contextlib import contextmanager

import pytest
from styleroute.errors import TrainingError
from styleroute.evaluation.regions import contrast
from styleroute.evaluation.regions.config import ContrastConfig
from styleroute.evaluation.regions.contrast import BASE, EXPERT, ContrastRow, contrast_table, measure_contrast

BLOCKS = [f"double {number}" for number in range(3)] + [f"single {number}" for number in range(6)]


def spot(height: float) -> list[list[float]]:
    """A map with a square of attention 1 + height on attention 1."""
    return [[1 + height * (4 <= row < 10 and 4 <= column < 10) for column in range(16)] for row in range(16)]


@pytest.fixture
def measured(tmp_path, photo, objects, monkeypatch):
    """The rows of two scenes, and the prompts. Only the expert in "single 2-4" tells present from absent objects."""
    monkeypatch.setattr(contrast, "load_photos", lambda split: [photo])
    monkeypatch.setattr(contrast, "load_objects", lambda: objects)
    monkeypatch.setattr(contrast, "TEST_OBJECTS", ("ball", "coin"))
    prompts = []

    @contextmanager
    def open_generator(config):
        def generate(path, text, seed, with_expert):
            assert path.is_file()
            prompts.append((path.name, text, seed, with_expert))
            is_present = len(prompts) % 2 == 1
            high = {"single 2", "single 3", "single 4"} if with_expert and is_present else set()
            maps = {block: spot(9.0 if block in high else 0.5) for block in BLOCKS}
            return {"object: ball": maps, "style: indigo dots": maps}

        yield generate

    config = ContrastConfig(scenes=1, output=tmp_path / "scenes")
    return measure_contrast(config, open_generator), prompts


def test_each_scene_has_a_present_and_an_absent_object_on_both_models(measured):
    _, prompts = measured
    assert [with_expert for *_, with_expert in prompts] == [False, False, True, True]
    words = [text.split("make the ")[1].split(" in indigo dots")[0] for _, text, *_ in prompts]
    assert set(words[:2]) == {"ball", "coin"}
    assert words[:2] == words[2:]
    assert {seed for *_, seed, _ in prompts} == {0}


def test_rows_compare_models_blocks_and_phrases(measured):
    rows, _ = measured
    assert [(row.model, row.blocks, row.phrase) for row in rows] == [
        (model, blocks, phrase)
        for model in (BASE, EXPERT)
        for blocks in ("all", "single 2-4")
        for phrase in ("style", "object")
    ]
    base, _, narrow, _, _, _, expert, _ = rows
    assert base.present == pytest.approx(base.absent)
    assert narrow.separation == 0.5
    assert expert.present[0] > 0.6 > 0.3 > expert.absent[0]
    assert expert.separation == 1


def test_the_table_shows_median_and_range():
    table = contrast_table([ContrastRow(BASE, "all", "style", [0.1, 0.2, 0.3], [0.2, 0.2, 0.2])])
    cells = [next(iter(column.cells)) for column in table.columns]
    assert cells == [BASE, "all", "style", "0.20 (0.10 to 0.30)", "0.20 (0.20 to 0.20)", "50%"]


def test_no_scenes_are_refused():
    with pytest.raises(TrainingError, match="scenes is 0"):
        ContrastConfig(scenes=0)
