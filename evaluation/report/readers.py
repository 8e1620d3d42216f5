"""Reads the scores that each evaluation writes, as scored images.

A reader gets the parsed file and its folder. For a damaged file it raises KeyError, TypeError, ValueError, IndexError
or AttributeError, which `runs.py` turns into one sentence.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...storage.text_reader import read_text
from ..protocols.trial_list import TRIALS_FILE
from .rows import ScoredImage, finite_values, plain_name

Content = Mapping[str, Any]


class TrialInfo(NamedTuple):
    """What a trial shows: style, content, and the images that it starts from, by caption."""

    style: str
    content: str
    inputs: Mapping[str, Path]


def read_styles(content: Content, folder: Path) -> Iterator[ScoredImage]:
    """`evaluate styles`: unseen and seen styles, and the losses."""
    for group in content["groups"]:
        trials = _trials(group["trials"], folder, "photo")
        yield from _numbered(f"styles, {plain_name(group['styles_are'])}", group["rows"], trials, folder)
    if content.get("loss_trials"):
        trials = _trials(content["loss_trials"], folder, "photo")
        yield from _numbered("styles, losses", content["losses"], trials, folder)


def read_steering(content: Content, folder: Path) -> Iterator[ScoredImage]:
    """`evaluate steering`."""
    return _numbered("steering", content["rows"], _trials(content["trials"], folder, "photo"), folder)


def read_regions(content: Content, folder: Path) -> Iterator[ScoredImage]:
    """`evaluate regions`. A content is an object in a scene."""
    return _numbered("regions", content["rows"], _trials(content["trials"], folder, "object", "scene"), folder)


def read_dials(content: Content, folder: Path) -> Iterator[ScoredImage]:
    """`evaluate dials`. Older files name a trial by style and photo in one word, which then counts as both."""
    trials = [
        TrialInfo(plain_name(trial), plain_name(trial), {})
        if isinstance(trial, str)
        else _trial(trial, folder, "photo")
        for trial in content["trials"]
    ]
    return _numbered("dials", content["rows"], trials, folder)


def read_objects(content: Content, folder: Path) -> Iterator[ScoredImage]:
    """`evaluate objects`: scenes with one object, and scenes with two."""
    scenes = {str(trial["scene"]): trial for trial in content["trials"]}
    for row in content["rows"]:
        files = row.get("files", {})
        for number, values in row["scores"].items():
            scene = scenes[number]
            styles = scene["styles"]
            yield ScoredImage(
                protocol="objects, one object" if len(styles) == 1 else f"objects, {len(styles)} objects",
                method=plain_name(row["method"]),
                style=plain_name(" + ".join(styles.values())),
                content=plain_name(f"{scene['prompt']} (scene {number})"),
                seed=0,
                values=finite_values(values),
                file=_file(files.get(number), folder),
                inputs=_inputs(scene, folder),
            )


def read_tiny(content: Content, folder: Path) -> Iterator[ScoredImage]:
    """`evaluate tiny`. The instruction stands in the place of the style. Older files have only means."""
    for size in content["sizes"]:
        height, width = size["size"]
        for instruction in (size["ceiling"], *size["edits"]):
            keys = ("image", "inside", "outside", "seam")
            for number, scene in enumerate(instruction.get("scenes") or [instruction]):
                yield ScoredImage(
                    protocol=f"tiny, {int(height)} x {int(width)}",
                    method=plain_name(instruction["name"]),
                    style=plain_name(instruction["name"]),
                    content=f"scene {number}",
                    seed=0,
                    values=finite_values({key: scene[key] for key in keys}),
                )


def read_encoder(content: Content, folder: Path) -> Iterator[ScoredImage]:
    """`train encoder`: one measurement for each embedding."""
    keys = ("recall_at_1", "mean_average_precision", "silhouette", "similarity_order")
    for row in content["rows"]:
        values = finite_values({key: row.get(key) for key in keys})
        yield ScoredImage("encoder", plain_name(row["name"]), "", "", 0, values)


def read_paper(content: Content, folder: Path) -> Iterator[ScoredImage]:
    """`evaluate paper-styles` and `evaluate paper-regions`. The list of trials lies in the same folder."""
    listed = json.loads(read_text(folder / TRIALS_FILE))
    protocol = "paper-regions" if "dataset" in listed["settings"] else "paper-styles"
    trials = {trial["name"]: trial for trial in listed["trials"]}
    for system, scores in content.items():
        files = scores.get("files", {})
        for name, values in scores["images"].items():
            trial = trials[name]
            shown = _paper_region(trial, folder) if protocol == "paper-regions" else _paper_style(trial, folder)
            yield ScoredImage(
                protocol=protocol,
                method=plain_name(system),
                style=shown.style,
                content=shown.content,
                seed=int(trial.get("seed", 0)),
                values=finite_values(values),
                file=_file(files.get(name), folder),
                inputs=shown.inputs,
                example=plain_name(Path(trial.get("reference", "")).name),
            )


READERS = {
    "styles": read_styles,
    "steering": read_steering,
    "regions": read_regions,
    "dials": read_dials,
    "objects": read_objects,
    "tiny": read_tiny,
    "encoder": read_encoder,
    "paper": read_paper,
}
"""By the name that `recognise` gives."""


def _paper_style(trial: Content, folder: Path) -> TrialInfo:
    inputs = {"content": folder / trial["content"], "style image": folder / trial["reference"]}
    return TrialInfo(plain_name(trial["style"]), plain_name(Path(trial["content"]).name), inputs)


def _paper_region(trial: Content, folder: Path) -> TrialInfo:
    content = f"{trial['object']} in {Path(trial['photo']).stem}"
    return TrialInfo(plain_name(trial["style"]), plain_name(content), {"photo": folder / trial["photo"]})


def _numbered(
    protocol: str, rows: Sequence[Content], trials: Sequence[TrialInfo], folder: Path
) -> Iterator[ScoredImage]:
    """The images of rows whose images name their trial by its number; the images of a trial follow its seeds."""
    for row in rows:
        seeds = Counter[int]()
        for image in row["images"]:
            number = image["trial"]
            if number < 0:
                raise IndexError(f"there is no trial {number}")
            trial = trials[number]
            values = {key: value for key, value in image.items() if key not in ("trial", "file")}
            yield ScoredImage(
                protocol=protocol,
                method=plain_name(row["method"]),
                style=trial.style,
                content=trial.content,
                seed=seeds[number],
                values=finite_values(values),
                file=_file(image.get("file"), folder),
                inputs=trial.inputs,
            )
            seeds[number] += 1


def _trials(trials: Sequence[Content], folder: Path, *content_keys: str) -> list[TrialInfo]:
    return [_trial(trial, folder, *content_keys) for trial in trials]


def _trial(trial: Content, folder: Path, *content_keys: str) -> TrialInfo:
    content = " in ".join(str(trial[key]) for key in content_keys)
    return TrialInfo(plain_name(trial["style"]), plain_name(content), _inputs(trial, folder))


def _inputs(trial: Content, folder: Path) -> dict[str, Path]:
    """The images that a trial starts from. Older files do not record them."""
    return {plain_name(caption): folder / path for caption, path in trial.get("inputs", {}).items()}


def _file(name: str | None, folder: Path) -> Path | None:
    return None if name is None else folder / name
