"""The whole evaluation with a stand-in for ComfyUI: which images are generated, and what the tables show."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
from PIL import Image
from rich.console import Console
from styleroute.errors import TrainingError
from styleroute.evaluation.images import open_image
from styleroute.evaluation.objects.config import ObjectEvaluationConfig
from styleroute.evaluation.objects.evaluate import evaluate_objects
from styleroute.evaluation.objects.jobs import GeneratedObjects
from styleroute.evaluation.objects.methods import choose_methods
from styleroute.evaluation.objects.tables import object_table, write_report
from styleroute.evaluation.report.runs import read_runs


@contextmanager
def photos(config):
    """Returns the photo itself, with even maps."""
    yield lambda job: GeneratedObjects(
        Image.fromarray(open_image(job.trial.photo)),
        {f"object: {each.name}": [[0.5] * 16] * 16 for each in job.trial.objects} if job.method.has_maps else {},
    )


@pytest.fixture
def evaluation(config, network, monkeypatch):
    from styleroute.evaluation.objects import evaluate

    monkeypatch.setattr(evaluate, "small_vae_round_trip", lambda: lambda image: image)
    return evaluate_objects(config, photos, network)


def test_every_method_has_a_row_for_every_scene(evaluation, config):
    names = [row.name for row in evaluation.rows]
    assert names == ["photo, unchanged", "autoencoder", "teacher, true masks",
                     *(method.name for method in choose_methods(config))]  # fmt: skip
    assert all(set(row.scores) == {0, 1} for row in evaluation.rows)
    assert evaluation.sheet.is_file()


def test_passes_are_counted_for_the_scenes_of_a_table(evaluation):
    shown = {}
    for count in (1, 2):
        table = object_table(evaluation, count)
        shown[count] = dict(zip(table.columns[0].cells, table.columns[-1].cells, strict=True))
        Console(width=200).print(table)
    assert (shown[1]["phrases"], shown[2]["phrases"]) == ("1", "1")
    assert (shown[1]["one pass per object"], shown[2]["one pass per object"]) == ("1", "2")
    assert (shown[2]["all, then true masks"], shown[2]["photo, unchanged"]) == ("2", "")


def test_a_second_run_generates_nothing(evaluation, config, network):
    def refuse(config):
        raise AssertionError("an image was generated again")

    again = evaluate_objects(config, refuse, network)
    assert write_report(config.output, again).is_file()
    [run] = read_runs([str(config.output)])
    kept = [image for image in run.images if image.file is not None]
    assert {image.method for image in kept} >= {"phrases", "true masks"}
    assert all(image.file.is_file() and all(path.is_file() for path in image.inputs.values()) for image in kept)


def test_other_settings_have_other_images(config, tmp_path):
    lora = tmp_path / "ground.safetensors"
    lora.write_bytes(b"1")
    grounded = replace(config, grounding=lora, text_rules=True)
    methods = {method.name: method for method in choose_methods(grounded)}
    assert {"phrases, grounded", "one pass per object, grounded", "true masks, text: mean"} <= methods.keys()
    folders = {method.images_folder for method in methods.values()}
    assert len(folders) == len(methods)
    assert folders.isdisjoint(method.images_folder for method in choose_methods(replace(grounded, steps=3)))


@pytest.mark.parametrize("change", [{"scenes": 0}, {"steps": 0}, {"grounding": "missing.safetensors"}])
def test_bad_options_are_refused(tmp_path, change):
    if "grounding" in change:
        change = {"grounding": tmp_path / change["grounding"]}
    with pytest.raises(TrainingError):
        ObjectEvaluationConfig(**change)
