"""The runs of a report: the folders that a user gives, with the scores that an evaluation wrote there."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import DataError
from ...plain_text import quoted
from ...storage.text_reader import read_text
from ..claims import ClaimResult
from ..dials.evaluate import SettingScores
from ..dials.scores import DialScore
from ..dials.settings import DialSetting
from ..json_report import SCORES_FILE
from ..method_scores import MethodScores
from ..style_encoder.report import REPORT_FILE
from ..styles.expert_overlap import ExpertOverlap
from ..styles.routed_styles import RoutingSummary
from .kinds import KINDS, recognise
from .readers import READERS, Content
from .rows import ScoredImage, plain_name

DAMAGES = (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError)
"""What a reader raises for a damaged file."""


@dataclass(frozen=True)
class EvaluationRun:
    """The scores in one folder.

    Attributes:
        name: name of the run in tables.
        folder: the folder.
        images: the scored images.
        claims: claims and goals with their outcomes.
        notes: what the evaluation says about its metrics, and why some are missing.
        overlaps, routing, dials: results that only some evaluations have.
    """

    name: str
    folder: Path
    images: list[ScoredImage]
    claims: list[ClaimResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    overlaps: list[ExpertOverlap] = field(default_factory=list)
    routing: RoutingSummary | None = None
    dials: list[SettingScores] = field(default_factory=list)

    @property
    def protocols(self) -> list[str]:
        """The protocols of its images."""
        return list(dict.fromkeys(image.protocol for image in self.images))


def read_runs(texts: Sequence[str]) -> list[EvaluationRun]:
    """The runs of several folders, given as FOLDER or NAME=FOLDER; a folder may also hold folders of runs.

    Raises:
        DataError: a folder is missing, empty, damaged or of another kind, or two runs have one name.
    """
    if not texts:
        raise DataError("There is no folder, expected the output folder of an evaluation: give one or more.")
    found = [place for text in texts for place in _places(text)]
    names = [name for name, _ in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DataError(f"Two runs have the name {quoted(twice)}, expected different names: give NAME=FOLDER.")
    return [_read(name, file) for name, file in found]


def _places(text: str) -> Iterator[tuple[str, Path]]:
    """The names of runs and their files of scores."""
    name, equals, folder = text.partition("=")
    path = Path(folder) if equals and name else Path(text)
    if not path.is_dir():
        raise DataError(f"There is no folder {path}, expected the output of `styleroute evaluate`: give its path.")
    name = plain_name(name if equals and name else path.resolve().name)
    if (file := _scores_file(path)) is not None:
        yield name, file
        return
    inside = [(each.name, file) for each in sorted(path.iterdir()) if (file := _scores_file(each)) is not None]
    if not inside:
        raise DataError(
            f"{path} has no {SCORES_FILE}, expected the output of `styleroute evaluate`: give the folder of a run, or "
            "a folder of runs."
        )
    for each, file in inside:
        yield plain_name(f"{name}/{each}" if equals else each), file


def _scores_file(folder: Path) -> Path | None:
    """The file of scores of an evaluation or of a style encoder."""
    files = (folder / name for name in (SCORES_FILE, REPORT_FILE))
    return next((file for file in files if file.is_file()), None)


def _read(name: str, file: Path) -> EvaluationRun:
    try:
        content = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{file} is no JSON ({error}): run the evaluation again.") from error
    kind = recognise(content)
    if kind is None:
        raise DataError(
            f"{file} is of another kind, expected the scores of `styleroute evaluate` {', '.join(KINDS)}: give another "
            "folder."
        )
    try:
        run = _run(name, file.parent, kind, content)
    except DAMAGES as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{file} is damaged ({error!r}): run the evaluation again.") from error
    if not any(image.values for image in run.images):
        raise DataError(f"{file} has no score of any image: run the evaluation again, with the models of its metrics.")
    return run


def _run(name: str, folder: Path, kind: str, content: Content) -> EvaluationRun:
    routing = content.get("routing") if kind == "styles" else None
    return EvaluationRun(
        name=name,
        folder=folder,
        images=list(READERS[kind](content, folder)),
        claims=[] if kind == "paper" else [_claim(claim) for claim in content.get("claims", [])],
        notes=list(dict.fromkeys(_notes(kind, content))),
        overlaps=[ExpertOverlap(**row) for row in content["overlap"]["rows"]] if kind == "styles" else [],
        routing=_routing(routing) if routing else None,
        dials=[_setting(row) for row in content["rows"]] if kind == "dials" else [],
    )


def _claim(claim: Content) -> ClaimResult:
    return ClaimResult(*(plain_name(claim.get(key, "")) for key in ("claim", "outcome", "numbers")))


def _notes(kind: str, content: Content) -> Iterator[str]:
    if kind == "paper":
        for system in content.values():
            yield from (str(text) for text in system["problems"].values())
        return
    for key in ("definition", "definitions"):
        if key in content:
            yield str(content[key])


def _routing(found: Content) -> RoutingSummary:
    points = [(plain_name(style), float(x), float(y)) for style, x, y in found["points"]]
    usage = [[float(share) for share in shares] for shares in found["usage"]]
    if len({len(shares) for shares in usage}) > 1:
        raise ValueError("the layers have different numbers of experts")
    return RoutingSummary([plain_name(layer) for layer in found["layers"]], usage, points)


def _setting(row: Content) -> SettingScores:
    values: list[Any] = [{k: v for k, v in image.items() if k not in ("trial", "file")} for image in row["images"]]
    pairs = [(image["trial"], DialScore(**own)) for image, own in zip(row["images"], values, strict=True)]
    setting = DialSetting(**row["setting"])
    return SettingScores(setting, MethodScores.from_pairs(plain_name(row["method"]), pairs, max(len(pairs), 1)))
