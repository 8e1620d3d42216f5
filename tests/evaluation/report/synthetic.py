"""Folders of scores with random numbers, in the files that the evaluations write."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from styleroute.evaluation.claims import FAILS, HOLDS, UNCLEAR, ClaimResult
from styleroute.evaluation.dials.scores import DialScore
from styleroute.evaluation.dials.settings import dial_settings
from styleroute.evaluation.json_report import claims_json, inputs_json, scores_json, write_scores
from styleroute.evaluation.method_scores import MethodScores
from styleroute.evaluation.objects.scores import ObjectScore
from styleroute.evaluation.paper_scores import PaperScores
from styleroute.evaluation.protocols.region_route import RegionTrial
from styleroute.evaluation.protocols.scoring import SystemScores, write_protocol_scores
from styleroute.evaluation.protocols.style_expert import StyleTrial
from styleroute.evaluation.protocols.trial_list import write_trials
from styleroute.evaluation.regions.scores import RegionScore
from styleroute.evaluation.style_encoder.report import EncoderReport
from styleroute.evaluation.style_encoder.retrieval import RetrievalScores
from styleroute.evaluation.styles.expert_overlap import CHANCE, DISSIMILAR, SAME, SIMILAR, ExpertOverlap
from styleroute.evaluation.styles.routed_styles import RoutingSummary
from styleroute.evaluation.styles.scores import StyleScore
from styleroute.evaluation.styles.unseen_loss import UnseenLoss
from torch.utils.tensorboard import SummaryWriter

STYLES, PHOTOS, SEEDS = ("ink", "woodcut", "pastel", "neon", "mosaic", "batik"), ("owl", "cat", "pier", "fern"), 2
HOSTILE = '<script>alert("1")</script> & $\\frac$ \x1b[2J'
"""A name that is no plain text: a tag, an ampersand, broken mathematics, and characters that cannot be shown."""
METHODS: Mapping[str, float] = {"full": 0.2, "single LoRA": 0.0}
"""By method, what is added to all its values."""


def picture(path: Path, number: int) -> Path:
    """A small image in one colour with a pattern."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(number)
    pixels = np.kron(rng.integers(0, 255, (4, 4, 3), dtype=np.uint8), np.ones((24, 24, 1), np.uint8))
    Image.fromarray(pixels).save(path)
    return path


def crossed_values(rng: np.random.Generator, styles: int, contents: int, seeds: int) -> np.ndarray:
    """Values [styles, contents, seeds] around 0.5 with effects of style, content and image."""
    own, shared, rest = rng.normal(size=(styles, 1, 1)), rng.normal(size=(1, contents, 1)), (styles, contents, seeds)
    return 0.5 + 0.05 * own + 0.03 * shared + 0.02 * rng.normal(size=rest)


def _scores(kind: Any, rng: np.random.Generator, count: tuple[int, int, int], add: float) -> list[Any]:
    values = {field.name: (crossed_values(rng, *count) + add).ravel() for field in fields(kind)}
    return [kind(**{name: float(row[number]) for name, row in values.items()}) for number in range(np.prod(count))]


def _method(
    folder: Path, name: str, kind: Any, add: float, styles: Sequence[str], seeds: int, images: bool, seed: int = 0
) -> MethodScores:
    scores = _scores(kind, np.random.default_rng(seed), (len(styles), len(PHOTOS), seeds), add)
    trials = [number // seeds for number in range(len(scores))]
    files = [f"images/{name[:4]}/{number}.png" for number in range(len(scores))] if images else []
    for number, file in enumerate(files):
        picture(folder / file, number)
    return MethodScores.from_pairs(name, zip(trials, scores, strict=True), len(PHOTOS), files)


def _trials(folder: Path, styles: Sequence[str], content: str = "photo") -> list[dict[str, Any]]:
    inputs = {name: picture(folder / "inputs" / f"{number}.png", number) for number, name in enumerate(PHOTOS)}
    return [
        {"style": style, content: photo, "scene": f"scene of {photo}", "inputs": inputs_json({"photo": inputs[photo]})}
        for style in styles
        for photo in PHOTOS
    ]


def claims() -> list[ClaimResult]:
    return [
        ClaimResult("texture distance: full < single LoRA", HOLDS, "-0.031 ± 0.012"),
        ClaimResult("loss: full < single LoRA", FAILS, "+0.0021 ± 0.0008"),
        ClaimResult("edges kept: full > single LoRA", UNCLEAR, "+0.003 ± 0.010"),
    ]


def write_styles(
    folder: Path, methods: Mapping[str, float] = METHODS, styles: Sequence[str] = STYLES, images: bool = False
) -> Path:
    """`evaluate styles`, with losses, the overlap of experts and their use."""
    keys = [field.name for field in fields(StyleScore)]
    rows = [_method(folder, name, StyleScore, add, styles, SEEDS, images) for name, add in methods.items()]
    losses = [_method(folder, name, UnseenLoss, add, styles, 1, False) for name, add in methods.items()]
    overlaps = [
        ExpertOverlap(SAME, 40, 0.71, 0.66),
        ExpertOverlap(SIMILAR, 22, 0.41, 0.30),
        ExpertOverlap(DISSIMILAR, 110, 0.12, 0.14),
        ExpertOverlap(CHANCE, 0, 0.07),
    ]
    rng = np.random.default_rng(3)
    usage = rng.dirichlet(np.full(16, 0.4), size=24) * 2
    points = [
        (style, *(rng.normal(size=2) + 6 * rng_of_style).tolist())
        for style, rng_of_style in zip(styles, rng.normal(size=(len(styles), 2)), strict=True)
        for _ in range(6)
    ]
    routing = RoutingSummary([f"layer {number}" for number in range(24)], usage.tolist(), points)
    trials = _trials(folder, styles)
    write_scores(
        folder,
        {
            **claims_json(claims()),
            "methods": [],
            "left_out": [],
            "losses": [scores_json(row, ("loss",)) for row in losses],
            "loss_trials": trials,
            "overlap": {"definition": "", "rows": [asdict(row) for row in overlaps]},
            "routing": asdict(routing),
            "groups": [
                {"styles_are": "unseen", "side": 64, "trials": trials, "rows": [scores_json(row, keys) for row in rows]}
            ],
        },
    )
    return folder


def write_regions(folder: Path, images: bool = False) -> Path:
    keys = [field.name for field in fields(RegionScore)]
    rows = [_method(folder, name, RegionScore, add, STYLES[:2], 1, images) for name, add in METHODS.items()]
    content = {**claims_json([]), "definitions": "IoU: of the map.", "training": {}}
    trials = _trials(folder, STYLES[:2], "object")
    write_scores(folder, {**content, "trials": trials, "rows": [scores_json(row, keys) for row in rows]})
    return folder


def write_steering(folder: Path) -> Path:
    keys = [field.name for field in fields(StyleScore)]
    rows = [_method(folder, name, StyleScore, add, STYLES[:3], 1, False) for name, add in METHODS.items()]
    content = {**claims_json([]), "experts": {}, "definition": "Neither: no input."}
    write_scores(
        folder, {**content, "trials": _trials(folder, STYLES[:3]), "rows": [scores_json(row, keys) for row in rows]}
    )
    return folder


def write_dials(folder: Path) -> Path:
    keys = [field.name for field in fields(DialScore)]
    rows = []
    for number, setting in enumerate(dial_settings(8)):
        scores = _method(folder, setting.name, DialScore, 0.05 * number, STYLES[:2], 1, False)
        rows.append({"setting": asdict(setting), "evaluations": setting.evaluations, **scores_json(scores, keys)})
    write_scores(folder, {"trials": _trials(folder, STYLES[:2]), "rows": rows})
    return folder


def write_objects(folder: Path) -> Path:
    trials = [
        {"scene": 0, "prompt": "an owl", "styles": {"owl": "ink"}},
        {"scene": 1, "prompt": "an owl and a cat", "styles": {"owl": "ink", "cat": "neon"}},
    ]
    scores = _scores(ObjectScore, np.random.default_rng(0), (2, 1, 1), 0)
    rows = [{"method": "phrases", "scores": {number: vars(score) for number, score in enumerate(scores)}}]
    write_scores(folder, {"definitions": "Style: cosine.", "trials": trials, "rows": rows})
    return folder


def write_tiny(folder: Path) -> Path:
    scene = {"image": 30.0, "inside": None, "outside": None, "seam": 0.5}
    score = {"name": "brighter", **scene, "scenes": [{**scene, "image": value} for value in (29.0, 31.0)]}
    size = {"size": [96, 160], "ceiling": {**score, "name": "(VAE alone)"}, "edits": [score]}
    write_scores(folder, {"settings": {}, "sizes": [size], **claims_json([])})
    return folder


def write_paper_styles(
    folder: Path, systems: Mapping[str, float] = METHODS, styles: Sequence[str] = STYLES, pairs: int = 6
) -> Path:
    """`evaluate paper-styles`, without a DINO."""
    trials = [
        StyleTrial(f"{style}_{pair:03}_{seed}", style, f"/photos/{pair + number}.jpg", f"/{style}/{pair}.png", seed)
        for number, style in enumerate(styles)
        for pair in range(pairs)
        for seed in range(SEEDS)
    ]
    write_trials(folder, {"contents": "photos", "styles": "styles"}, trials)
    names = [trial.name for trial in trials]
    scored = []
    for system, add in systems.items():
        rng = np.random.default_rng(7)
        values = {
            key: crossed_values(rng, len(styles), pairs, SEEDS).ravel() + add
            for key in ("clip", "csd", "aesthetic", "semantic", "dreamsim")
        }
        scored.append(SystemScores(system, names, PaperScores(values, {"dino": "The model dino is missing."})))
    write_protocol_scores(folder, scored)
    return folder


def write_paper_regions(folder: Path) -> Path:
    trials = [
        RegionTrial(f"{number}_{style}", f"photos/{number}.png", f"masks/{number}.png", "dog", style, "")
        for number in range(6)
        for style in STYLES[:4]
    ]
    write_trials(folder, {"dataset": "coco", "data": "coco"}, trials)
    rng, keys = np.random.default_rng(5), ("rsm", "background_lpips", "background_mse", "object_in_style")
    values = {key: crossed_values(rng, 6, 4, 1).ravel() for key in keys}
    write_protocol_scores(folder, [SystemScores("ours", [trial.name for trial in trials], PaperScores(values))])
    return folder


def write_encoder(folder: Path) -> Path:
    """The run folder of `train encoder`, with its map of styles."""
    folder.mkdir(parents=True)
    rows = [
        RetrievalScores("encoder", 0.9, 0.8, 0.5, 40, 0, 0.7),
        RetrievalScores("vision model", 0.7, 0.6, 0.2, 40, 0),
    ]
    EncoderReport(list(STYLES), rows).save(folder)
    picture(folder / "styles.png", 0)
    return folder


def write_training(folder: Path) -> Path:
    """A run folder of a training with a loss of 200 steps."""
    with SummaryWriter(str(folder / "tensorboard")) as writer:
        for step in range(200):
            writer.add_scalar("loss", 1 / (step + 5), step)
    return folder


WRITERS = {
    "styles": write_styles,
    "regions": write_regions,
    "steering": write_steering,
    "dials": write_dials,
    "objects": write_objects,
    "tiny": write_tiny,
    "paper-styles": write_paper_styles,
    "paper-regions": write_paper_regions,
    "encoder": write_encoder,
}
