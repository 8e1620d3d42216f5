"""Error of styles in weights of few bits: merged into the weights (patch), against added at run time (branch)."""

import importlib.util
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.table import Table
from safetensors.torch import save_file
from torch import Tensor

from ..comfy_client import ComfyServer
from ..errors import ComfyNotFound
from ..flux.layer_names import layer_shape
from ..paths import PACK
from .comfy_ratios import BENCHMARK_PACK, run_node
from .random_files import LORA_RANK, Blocks, adapted_layers

FORMS = (
    "fp16",
    "bf16",
    "e4m3",
    "scaled e4m3, scale_weight",
    "scaled e4m3, weight_scale",
    "GGUF Q8_0",
    "GGUF Q4_K",
)
"""Forms of weight storage; the names are those of the benchmark's node."""
GGUF_FOLDER = "COMFYUI_GGUF_PATH"
"""Environment variable that names a folder with ComfyUI-GGUF."""
STYLE_SIZES = (0.03, 0.44)
"""Norm of a style's change of a weight, relative to the weight: an ordinary LoRA, and the small Kontext's experts."""
BLOCKS = Blocks(hidden=3072, double=1, single=1)
WEIGHT_SCALE = 0.02
"""Standard deviation of the benchmark model's weights."""


@dataclass(frozen=True)
class StorageError:
    """Errors of one style in one form of storage, relative to the style's own change in float32.

    Attributes:
        form: one of `FORMS`.
        style_size: norm of the style's change of a weight, relative to the weight.
        layer: error of a layer's output by method (patch, branch), the median over the layers.
        model: error of the model's output by method.
    """

    form: str
    style_size: float
    layer: dict[str, float]
    model: dict[str, float]

    @property
    def text(self) -> str:
        """One line of text with the errors of a layer's output."""
        errors = ", ".join(f"{method} {error:.1e}" for method, error in self.layer.items())
        return f"{self.form}, style {self.style_size:g}: {errors}"


def measure_storage(style_sizes: Sequence[float] = STYLE_SIZES) -> Iterator[StorageError | str]:
    """Measures each form of storage in a real ComfyUI; a form that is not available gives a sentence instead."""
    gguf, problem = gguf_pack()
    with ComfyServer.start(packs=[PACK, BENCHMARK_PACK, *gguf]) as server:
        loras = [_write_lora(server.models / "loras", size) for size in style_sizes]
        for form in FORMS:
            if problem and form.startswith("GGUF"):
                yield f"{form}: {problem}"
                continue
            found = run_node(server, "Benchmark_MeasureStorage", form=form, loras=",".join(map(str, loras)))
            for size, errors in zip(style_sizes, found["errors"], strict=True):
                kinds = {kind: {method: each[kind] for method, each in errors.items()} for kind in ("layer", "model")}
                yield StorageError(form, size, **kinds)


def storage_table(rows: Sequence[StorageError]) -> Table:
    """A table with a row for each form of storage and each size of the style."""
    table = Table(title="Error of the result, relative to the style's own change in float32")
    table.add_column("weights")
    for heading in ("style / weight", "layer: patch", "branch", "model: patch", "branch"):
        table.add_column(heading, justify="right")
    for row in rows:
        errors = (f"{kind[method]:.1e}" for kind in (row.layer, row.model) for method in ("patch", "branch"))
        table.add_row(row.form, f"{row.style_size:g}", *errors)
    return table


def random_style(style_size: float) -> dict[str, Tensor]:
    """A random plain LoRA of the single block, by diffusers' keys.

    It changes each weight by `style_size` times the weight's norm. Merging all blocks would only take longer.
    """
    generator = torch.Generator().manual_seed(0)
    factor = style_size * WEIGHT_SCALE * LORA_RANK**-0.5  # a product of random [out, R] and [R, in] has the size R^0.5
    state = {}
    for layer in adapted_layers(BLOCKS):
        if not layer.startswith("single"):
            continue
        out, inp = layer_shape(layer, BLOCKS.hidden)
        state[f"transformer.{layer}.lora_A.weight"] = torch.randn(LORA_RANK, inp, generator=generator)
        state[f"transformer.{layer}.lora_B.weight"] = torch.randn(out, LORA_RANK, generator=generator) * factor
    return state


def _write_lora(folder: Path, style_size: float) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"style_{style_size:g}.safetensors"
    save_file(random_style(style_size), path)
    return path


def gguf_pack() -> tuple[list[Path], str]:
    """ComfyUI-GGUF's folder, or no folder and a sentence that says what is missing.

    Raises:
        ComfyNotFound: the environment variable names a folder without the pack.
    """
    named = os.environ.get(GGUF_FOLDER)
    if not named:
        return [], f"not measured, because {GGUF_FOLDER} does not name a folder with ComfyUI-GGUF"
    folder = Path(named).expanduser()
    if not (folder / "dequant.py").is_file():
        raise ComfyNotFound(
            f"{GGUF_FOLDER} is {folder}, which is not ComfyUI-GGUF: expected dequant.py in it. Correct or unset "
            f"{GGUF_FOLDER}."
        )
    if importlib.util.find_spec("gguf") is None:
        return [], "not measured, because the Python package gguf, which ComfyUI-GGUF needs, is not installed"
    return [folder], ""
