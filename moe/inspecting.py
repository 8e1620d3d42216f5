"""Inspects a file: its kind, sizes, layers and training, and a list of its faults."""

import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import StyleExpertError
from ..plain_text import plain, quoted, shown
from .config import EncoderConfig, ExpertConfig
from .encoder_sizes import read_encoder_config
from .expert import StyleExpert
from .expert_sizes import read_entry
from .formats import FileKeys, sort_keys
from .header import Header, read_header
from .style import Style
from .style_file import load_style, read_style_entry
from .weight_file import WeightFile

_TITLES = {
    "style-moe": "StyleExpert experts",
    "lora": "plain LoRA",
    "style-encoder": "style encoder",
    "style": "style",
    "unknown": "unknown",
}
MAX_NAMES = 8
"""Upper limit for the names of left out layers in a report."""


@dataclass
class FileReport:
    """The result of `inspect_file`.

    Attributes:
        path: the file.
        kind: "style-moe", "lora", "style-encoder", "style" or "unknown".
        own_format: whether the file has StyleRoute's header entry.
        num_bytes, num_parameters: size of the file; 0 if unknown.
        dtypes: number of tensors of each dtype.
        config: configuration of the experts; None without experts.
        layers: diffusers names of the adapted layers.
        ranks, scales: the different ranks and scales of the layers, in rising order.
        skipped_layers: layers of the file that FLUX.1 does not have.
        encoder_config: configuration of the style encoder; None without an encoder.
        training: training summary; empty without a summary.
        style: the style in a file of Save Style; None in other files.
        style_rows, text_tokens: see `StyleExpert`.
        problems: one sentence for each fault.
    """

    path: Path
    kind: str = "unknown"
    own_format: bool = False
    num_bytes: int = 0
    num_parameters: int = 0
    dtypes: dict[str, int] = field(default_factory=dict)
    config: ExpertConfig | None = None
    layers: tuple[str, ...] = ()
    ranks: tuple[int, ...] = ()
    scales: tuple[float, ...] = ()
    skipped_layers: tuple[str, ...] = ()
    encoder_config: EncoderConfig | None = None
    training: dict[str, Any] = field(default_factory=dict)
    style: Style | None = None
    style_rows: int | None = None
    text_tokens: int | None = None
    problems: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The report for a terminal, without terminal codes from the file."""
        lines = [
            f"{self.path.name}: {self._title()}",
            *self._size_lines(),
            *(self._expert_lines(self.config) if self.config else []),
            *(_encoder_lines(self.encoder_config) if self.encoder_config else []),
            *(_style_lines(self.style) if self.style else []),
            *_training_lines(self.training),
            *_input_lines(self.style_rows, self.text_tokens),
            *([f"problem: {problem}" for problem in self.problems] or ["no problem found"]),
        ]
        return [plain(line) for line in lines]

    def _expert_lines(self, config: ExpertConfig) -> list[str]:
        kinds = Counter(".".join(part for part in layer.split(".") if not part.isdecimal()) for layer in self.layers)
        skipped = f"leaves out {len(self.skipped_layers)} layers that FLUX.1 does not have: "
        return [
            *_mixture_lines(config, self.ranks, self.scales),
            f"changes {len(self.layers)} layers of {config.base}:",
            *(f"  {count:3} x {kind}" for kind, count in kinds.items()),
            *([skipped + ", ".join(self.skipped_layers[:MAX_NAMES])] if self.skipped_layers else []),
        ]

    def _title(self) -> str:
        if self.kind == "style-moe":
            return f"{_TITLES[self.kind]}, {'StyleRoute file' if self.own_format else 'release layout'}"
        return _TITLES[self.kind] + _trained_as(self.kind, self.training)

    def _size_lines(self) -> list[str]:
        if not self.num_parameters:
            return []
        dtypes = ", ".join(f"{count} {dtype}" for dtype, count in sorted(self.dtypes.items()))
        return [f"size: {self.num_parameters:,} parameters, {self.num_bytes / 2**20:,.1f} MiB, tensors: {dtypes}"]


def inspect_file(path: str | os.PathLike[str]) -> FileReport:
    """Read a whole file and report on it. Faults of the file are listed in `problems`, and not raised."""
    report = FileReport(Path(path))
    try:
        header = read_header(path)
        _fill_sizes(report, header)
        _fill_contents(report, header, sort_keys(header.tensors))
        report.problems += _warnings(report) + _not_finite(header)
    except StyleExpertError as error:
        report.problems.append(str(error))
    return report


def _trained_as(kind: str, training: dict[str, Any]) -> str:
    """Purpose of a LoRA, from its training summary; published files have no summary."""
    if kind != "lora" or not training:
        return ""
    if style := training.get("style"):
        return f", region expert for the style {quoted(style)} (RegionRoute)"
    if training.get("task") == "ground":
        return ", grounding LoRA: the words of any object attend to that object"
    return ", style expert without routing (a comparison for StyleExpert)" if "condition" in training else ""


def _fill_sizes(report: FileReport, header: Header) -> None:
    report.num_bytes = header.num_bytes
    report.num_parameters = sum(math.prod(entry.shape) for entry in header.tensors.values())
    report.dtypes = dict(Counter(entry.dtype for entry in header.tensors.values()))


def _fill_contents(report: FileReport, header: Header, found: FileKeys) -> None:
    if read_style_entry(header) is not None:
        report.kind, report.own_format = "style", True
        report.style = load_style(header.path)
        return
    report.kind = found.kind or "unknown"
    report.own_format = read_entry(header) is not None
    if report.kind == "style-encoder" and not found.other:
        shapes = {name: header.tensors[key].shape for name, key in found.encoder.items()}
        report.encoder_config = read_encoder_config(header.path, shapes, (read_entry(header) or {}).get("encoder"))
        return
    expert = StyleExpert.open(header.path)
    report.config, report.layers, report.encoder_config = expert.config, expert.layers, expert.encoder_config
    report.ranks = tuple(sorted(set(expert.layer_ranks.values())))
    report.scales = tuple(sorted({expert.scale_of(layer) for layer in expert.layers}))
    report.skipped_layers = expert.skipped_layers
    report.style_rows, report.text_tokens = expert.style_rows, expert.text_tokens
    report.training = expert.training or {}


def _warnings(report: FileReport) -> list[str]:
    """Values that are valid, but probably a mistake."""
    config = report.config
    if config is None or any(report.scales):
        return []
    if config.routing == "paper":
        return [
            "Its alpha is 0, so the file changes nothing. Use another copy of the file, or train it with another alpha."
        ]
    return [
        f"At rank {config.rank} the release's scale 16 // r is 0, so the experts change nothing. "
        "Open the file with the paper's arithmetic."
    ]


def _not_finite(header: Header) -> list[str]:
    """A sentence that names the tensors with NaN or infinite numbers; the file is read in small pieces."""
    with WeightFile(header).opened() as weights:
        bad = [key for key, entry in header.tensors.items() if entry.is_float and not weights.is_finite(key)]
    if not bad:
        return []
    more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
    return [f"NaN or infinite numbers are in {quoted(bad[0])}{more}. Use another copy or an earlier checkpoint."]


def _mixture_lines(config: ExpertConfig, ranks: Sequence[int], scales: Sequence[float]) -> list[str]:
    rank, scale = _range(ranks), _range(scales)
    if config.is_lora:
        number = f"alpha {config.alpha:g}" if len(ranks) == len(scales) == 1 else f"scale {scale}"
        return [f"one LoRA of rank {rank}, {number}"]
    shared = f"a shared expert of rank {config.shared_rank}" if config.shared_rank else "no shared expert"
    formula = f"16 // {rank}" if config.routing == "release-1" else f"{config.alpha:g} / {rank}"
    return [
        f"experts: {config.num_experts} of rank {rank}, {shared}; each style is routed to {config.top_k}",
        f"arithmetic: {config.routing}, scale {formula} = {scale}; style embedding of {config.cond_dim}",
    ]


def _range(numbers: Sequence[float]) -> str:
    """One number, or the lowest and the highest of several."""
    return f"{numbers[0]:g}" if len(numbers) == 1 else f"{numbers[0]:g} to {numbers[-1]:g}"


def _encoder_lines(config: EncoderConfig) -> list[str]:
    widths = " -> ".join(map(str, (config.hidden_size, *config.projection_widths, config.proj_dim)))
    projection = f"projection {widths}" if config.projection else "no projection"
    norm = "" if config.layer_norm else "no layer norm, "
    post = ", then a last projection" if config.post_projection else ""
    return [
        f"style encoder: taps {', '.join(map(str, config.taps))} of {config.vision_model} "
        f"({config.num_tokens} tokens x {config.hidden_size})",
        f"  {config.num_queries} queries per tap, {norm}{projection}{post}, style embedding of {config.cond_dim}",
    ]


def _style_lines(style: Style) -> list[str]:
    rows, width = style.embedding.shape
    images = "1 reference image" if style.num_references == 1 else f"{style.num_references} reference images"
    shown = "without a thumbnail" if style.thumbnail is None else "with a thumbnail"
    return [
        f"name: {style.name}",
        f"style encoder: {style.encoder_id}; {rows} x {width} numbers, from {images}, {shown}",
    ]


def _training_lines(training: dict[str, Any]) -> list[str]:
    if not training:
        return []
    return ["training: " + ", ".join(f"{name} {shown(value)}" for name, value in training.items())]


def _input_lines(style_rows: int | None, text_tokens: int | None) -> list[str]:
    """What sampling must give the model, because the training did."""
    lines = []
    if text_tokens is not None:
        lines.append(
            f"prompts: {text_tokens} T5 tokens in training. In a graph, set min_length {text_tokens} in "
            "T5TokenizerOptions between the text encoder and the prompt."
        )
    if style_rows is not None:
        lines.append(
            f"style image: a second reference, {style_rows} rows of tokens below the content image. In a graph, add a "
            "second Reference Latent with the style image after the content image's, and set "
            "FluxKontextMultiReferenceLatentMethod to 'index', as the example workflow does. MoE Apply sets the rows."
        )
    return lines
