"""The pack against bare ComfyUI, measured inside ComfyUI's own process: the rows of the table."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..comfy_client import ComfyServer
from ..flux.layer_names import all_layers, layer_shape
from ..moe import ExpertConfig, save_expert
from ..paths import PACK
from .row import Row

BENCHMARK_PACK = PACK / "benchmarks" / "comfy_pack"
HIDDEN, NUM_DOUBLE, NUM_SINGLE = 1024, 2, 4
# The sizes of the published experts.
CONFIG = ExpertConfig(kind="style-moe", num_experts=16, rank=8, shared_rank=8, top_k=2, alpha=8.0, cond_dim=3072)
IMPORT_STARTS = 3
IMPORT_LIMIT_MS = 150.0
CAPTURE_LIMIT, CAPTURE_MEMORY_LIMIT = 1.05, 1.02
ATTENTIONS = {"PyTorch's attention": ["--use-pytorch-cross-attention"], "ComfyUI's own for CPUs": []}
"""Attention functions that maps are captured of, with ComfyUI's arguments for them: a GPU's default, and a CPU's."""


def run_benchmark(pairs: int) -> list[Row]:
    """All rows; starts ComfyUI a few times, each time without the pack, which is then loaded and timed."""
    imports = [_import_seconds() for _ in range(IMPORT_STARTS - 1)]
    with ComfyServer.start(packs=[BENCHMARK_PACK]) as server:
        expert, loras = _write_files(server.models)
        imports.append(_reported(server, "Benchmark_ImportPack", pack=str(PACK))["seconds"])
        measured = _reported(server, "Benchmark_MeasureStyle", expert=str(expert), loras=",".join(loras), pairs=pairs)
    captures = [row for name, arguments in ATTENTIONS.items() for row in _capture(name, arguments, max(1, pairs // 2))]
    return [*_rows(measured), *captures, _import_row(imports)]


def bytes_limit(config: ExpertConfig, bytes_of_file: int) -> float:
    """The share of the file that a style may read: (k+1) of E+1 experts, and the gates of all layers."""
    gates = config.num_experts * config.cond_dim * len(adapted_layers()) * torch.float16.itemsize
    return (config.top_k + 1) / (config.num_experts + 1) + gates / bytes_of_file


def adapted_layers() -> list[str]:
    """Attention and feed-forward linears of every block, without the modulation."""
    return [layer for layer in all_layers(NUM_DOUBLE, NUM_SINGLE) if ".norm" not in layer]


def random_experts(config: ExpertConfig) -> dict[str, Tensor]:
    """Experts for every adapted layer, in the keys of an expert file, float16."""
    experts = {}
    for layer in adapted_layers():
        out, inp = layer_shape(layer, HIDDEN)
        for name, shape in {
            "loraA": (config.num_experts, config.rank, inp),
            "loraB": (config.num_experts, out, config.rank),
            "shared_A": (1, config.shared_rank, inp),
            "shared_B": (1, out, config.shared_rank),
            "cond_gate.weight": (config.num_experts, config.cond_dim),
        }.items():
            experts[f"{layer}.lora_layer.{name}"] = torch.randn(shape).mul(0.01).half()
    return experts


def random_lora(rank: int) -> dict[str, Tensor]:
    """A plain LoRA of the same layers, float16, in diffusers' keys."""
    state = {}
    for layer in adapted_layers():
        out, inp = layer_shape(layer, HIDDEN)
        state[f"transformer.{layer}.lora_A.weight"] = torch.randn(rank, inp).mul(0.01).half()
        state[f"transformer.{layer}.lora_B.weight"] = torch.randn(out, rank).mul(0.01).half()
    return state


def _write_files(models: Path) -> tuple[Path, list[str]]:
    """An expert file, and two LoRAs of the rank that a collapsed style has: R = r_s + k r."""
    experts, loras = models / "style_experts", models / "loras"
    for folder in (experts, loras):
        folder.mkdir(parents=True, exist_ok=True)
    save_expert(experts / "random.safetensors", random_experts(CONFIG), CONFIG, None)
    names = ["first.safetensors", "second.safetensors"]
    for name in names:
        save_file(random_lora(CONFIG.shared_rank + CONFIG.top_k * CONFIG.rank), loras / name)
    return experts / "random.safetensors", names


def _import_seconds() -> float:
    with ComfyServer.start(packs=[BENCHMARK_PACK]) as server:
        return _reported(server, "Benchmark_ImportPack", pack=str(PACK))["seconds"]


def _reported(server: ComfyServer, node: str, **inputs: Any) -> dict[str, Any]:
    """What a node of the benchmark pack measured."""
    outputs = server.run({"1": {"class_type": node, "inputs": inputs}})
    return json.loads(outputs["1"]["benchmark"][0])


def _rows(measured: dict[str, Any]) -> Iterator[Row]:
    rank = CONFIG.shared_rank + CONFIG.top_k * CONFIG.rank
    yield Row("step with a whole-image style", "the bare step", _ratios(measured["step"]), 1.01)
    change = "change of style until the first step"
    yield Row(change, f"stock LoRA loader, rank {rank}", _ratios(measured["change"]), 1.0)
    whole = measured["bytes_of_file"]
    share = measured["bytes_read"] / whole
    yield Row(
        "bytes read for a style", f"the whole file, {whole / 2**20:.1f} MiB", (share,), bytes_limit(CONFIG, whole)
    )


def _capture(attention: str, arguments: list[str], pairs: int) -> list[Row]:
    with ComfyServer.start(packs=[PACK, BENCHMARK_PACK], extra_args=arguments) as server:
        return list(capture_rows(attention, _reported(server, "Benchmark_MeasureCapture", pairs=pairs)))


def capture_rows(attention: str, measured: dict[str, Any]) -> Iterator[Row]:
    """Seconds and peak memory of a captured step and of the naive way, against the bare step."""
    bare = measured["bare"]
    for what, side, limits in (
        (f"step with every map captured, {attention}", "captured", (CAPTURE_LIMIT, CAPTURE_MEMORY_LIMIT)),
        ("the same by the whole softmax", "naive", (None, None)),
    ):
        seconds, held = (list(zip(measured[side][key], bare[key], strict=True)) for key in ("seconds", "bytes"))
        yield Row(what, "the bare step", _ratios(seconds), limits[0])
        if all(bare["bytes"]):  # only Linux tells the peak of a process
            yield Row("its peak memory", "of the bare step", _ratios(held), limits[1])


def _import_row(seconds: list[float]) -> Row:
    return Row("import of the pack", "ComfyUI without it", tuple(1000 * one for one in seconds), IMPORT_LIMIT_MS, "ms")


def _ratios(pairs: list[tuple[float, float]]) -> tuple[float, ...]:
    return tuple(ours / theirs for ours, theirs in pairs)
