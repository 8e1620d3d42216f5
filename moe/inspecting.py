"""Inspects a file: its kind, sizes, layers and training, and a list of its faults."""

import math
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from ..errors import StyleExpertError
from .config import EncoderConfig, ExpertConfig
from .encoder_sizes import read_encoder_config
from .expert import StyleExpert
from .expert_sizes import read_entry
from .formats import FileKeys, sort_keys
from .header import Header, read_header
from .style import Style
from .style_file import load_style, read_style_entry

_TITLES = {
    "style-moe": "StyleExpert experts",
    "lora": "plain LoRA",
    "style-encoder": "style encoder",
    "style": "style",
    "unknown": "unknown",
}
_CHUNK = 64
"""Number of rows of dim 0 that are checked at once, so that no large tensor is in memory as a whole."""


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
        encoder_config: configuration of the style encoder; None without an encoder.
        training: training summary; empty without a summary.
        style: the style in a file of Save Style; None in other files.
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
    encoder_config: EncoderConfig | None = None
    training: dict[str, Any] = field(default_factory=dict)
    style: Style | None = None
    problems: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The report for a terminal."""
        return [
            f"{self.path.name}: {self._title()}",
            *self._size_lines(),
            *(_expert_lines(self.config, self.layers) if self.config else []),
            *(_encoder_lines(self.encoder_config) if self.encoder_config else []),
            *(_style_lines(self.style) if self.style else []),
            *_training_lines(self.training),
            *([f"problem: {problem}" for problem in self.problems] or ["no problem found"]),
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
    except StyleExpertError as error:
        report.problems.append(str(error))
        return report
    report.problems += _warnings(report) + _not_finite(header)
    return report


def _trained_as(kind: str, training: dict[str, Any]) -> str:
    """Purpose of a LoRA, from its training summary; published files have no summary."""
    if kind != "lora" or not training:
        return ""
    if style := training.get("style"):
        return f", region expert for the style '{style}' (RegionRoute)"
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
    report.training = expert.training or {}


def _warnings(report: FileReport) -> list[str]:
    """Values that are valid, but probably a mistake."""
    config = report.config
    if config is None or config.scale:
        return []
    return [
        f"At rank {config.rank} the release's scale 16 // r is 0, so the experts change nothing. "
        "Open the file with the paper's arithmetic."
    ]


def _not_finite(header: Header) -> list[str]:
    """A sentence that names the tensors with NaN or infinite numbers; the file is read in small pieces."""
    with safe_open(str(header.path), framework="pt") as tensors:
        bad = [key for key, entry in header.tensors.items() if entry.is_float and not _is_finite(tensors, key, entry)]
    if not bad:
        return []
    more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
    return [f"NaN or infinite numbers are in {bad[0]}{more}. Use another copy or an earlier checkpoint."]


def _is_finite(tensors: safe_open, key: str, entry) -> bool:
    part = tensors.get_slice(key)
    if not entry.shape:
        return bool(tensors.get_tensor(key).float().isfinite())
    pieces = (part[start : start + _CHUNK] for start in range(0, entry.shape[0], _CHUNK))
    return all(bool(piece.to(torch.float32).isfinite().all()) for piece in pieces)


def _expert_lines(config: ExpertConfig, layers: tuple[str, ...]) -> list[str]:
    kinds = Counter(".".join(part for part in layer.split(".") if not part.isdecimal()) for layer in layers)
    adapted = [f"  {count:3} x {kind}" for kind, count in kinds.items()]
    return [*_mixture_lines(config), f"changes {len(layers)} layers of {config.base}:", *adapted]


def _mixture_lines(config: ExpertConfig) -> list[str]:
    if config.is_lora:
        return [f"one LoRA of rank {config.rank}, alpha {config.alpha:g}"]
    shared = f"a shared expert of rank {config.shared_rank}" if config.shared_rank else "no shared expert"
    scale = f"16 // {config.rank}" if config.routing == "release-1" else f"{config.alpha:g} / {config.rank}"
    return [
        f"experts: {config.num_experts} of rank {config.rank}, {shared}; each style is routed to {config.top_k}",
        f"arithmetic: {config.routing}, scale {scale} = {config.scale:g}; style embedding of {config.cond_dim}",
    ]


def _encoder_lines(config: EncoderConfig) -> list[str]:
    widths = " -> ".join(map(str, (config.hidden_size, *config.projection_widths, config.proj_dim)))
    post = ", then a last projection" if config.post_projection else ""
    return [
        f"style encoder: taps {', '.join(map(str, config.taps))} of {config.vision_model} "
        f"({config.num_tokens} tokens x {config.hidden_size})",
        f"  {config.num_queries} queries per tap, projection {widths}{post}, style embedding of {config.cond_dim}",
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
    lines = []
    if training:
        lines.append("training: " + ", ".join(f"{name} {value}" for name, value in training.items()))
    if training.get("style_reference"):
        lines.append(
            "The experts were trained with the style image as a second reference. In a graph, add a second Reference "
            "Latent with the style image after the content image's, and set FluxKontextMultiReferenceLatentMethod to "
            "'index', as the example workflow does."
        )
    return lines
