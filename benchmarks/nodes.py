"""Speed of the pack against bare ComfyUI, measured inside ComfyUI's process."""

import json
from collections.abc import Iterator
from typing import Any

import torch

from ..comfy_client import ComfyServer
from ..moe import ExpertConfig
from ..paths import PACK
from .measurement import Measurement
from .random_files import CONFIG, LORA_RANK, adapted_layers, write_files

BENCHMARK_PACK = PACK / "benchmarks" / "comfy_pack"
IMPORT_STARTS = 3
IMPORT_LIMIT_MS = 150.0
CAPTURE_LIMIT, CAPTURE_MEMORY_LIMIT = 1.05, 1.02
ATTENTIONS = {"PyTorch's attention": ["--use-pytorch-cross-attention"], "ComfyUI's own for CPUs": []}
"""Attention functions whose maps are captured, with ComfyUI's arguments: the default on a GPU, and on a CPU."""


def run_benchmark(pairs: int) -> list[Measurement]:
    """Run all measurements. ComfyUI starts several times without the pack, and a benchmark node loads the pack."""
    imports = [_import_seconds() for _ in range(IMPORT_STARTS - 1)]
    with ComfyServer.start(packs=[BENCHMARK_PACK]) as server:
        expert, loras = write_files(server.models)
        imports.append(run_node(server, "Benchmark_ImportPack", pack=str(PACK))["seconds"])
        measured = run_node(server, "Benchmark_MeasureStyle", expert=str(expert), loras=",".join(loras), pairs=pairs)
    captures = [row for name, arguments in ATTENTIONS.items() for row in _capture(name, arguments, max(1, pairs // 2))]
    return [*_rows(measured), *captures, _import_row(imports)]


def bytes_limit(config: ExpertConfig, bytes_of_file: int) -> float:
    """Largest share of the file that a style may read: k+1 of E+1 experts, and the gates of all layers."""
    gates = config.num_experts * config.cond_dim * len(adapted_layers()) * torch.float16.itemsize
    return (config.top_k + 1) / (config.num_experts + 1) + gates / bytes_of_file


def _import_seconds() -> float:
    with ComfyServer.start(packs=[BENCHMARK_PACK]) as server:
        return run_node(server, "Benchmark_ImportPack", pack=str(PACK))["seconds"]


def run_node(server: ComfyServer, node: str, **inputs: Any) -> dict[str, Any]:
    """Run a node of the benchmark pack and return its results."""
    outputs = server.run({"1": {"class_type": node, "inputs": inputs}})
    return json.loads(outputs["1"]["benchmark"][0])


def _rows(measured: dict[str, Any]) -> Iterator[Measurement]:
    yield Measurement("step with a whole-image style", "the bare step", ratios(measured["step"]), 1.01)
    change = "change of style until the first step"
    yield Measurement(change, f"stock LoRA loader, rank {LORA_RANK}", ratios(measured["change"]), 1.0)
    whole = measured["bytes_of_file"]
    share = measured["bytes_read"] / whole
    yield Measurement(
        "bytes read for a style", f"the whole file, {whole / 2**20:.1f} MiB", (share,), bytes_limit(CONFIG, whole)
    )


def _capture(attention: str, arguments: list[str], pairs: int) -> list[Measurement]:
    with ComfyServer.start(packs=[PACK, BENCHMARK_PACK], extra_args=arguments) as server:
        return list(capture_rows(attention, run_node(server, "Benchmark_MeasureCapture", pairs=pairs)))


def capture_rows(attention: str, measured: dict[str, Any]) -> Iterator[Measurement]:
    """Time and peak memory of a step with captured maps, and with the naive softmax, against the bare step."""
    bare = measured["bare"]
    for what, side, limits in (
        (f"step with every map captured, {attention}", "captured", (CAPTURE_LIMIT, CAPTURE_MEMORY_LIMIT)),
        ("the same with the whole softmax", "naive", (None, None)),
    ):
        seconds, held = (list(zip(measured[side][key], bare[key], strict=True)) for key in ("seconds", "bytes"))
        yield Measurement(what, "the bare step", ratios(seconds), limits[0])
        if all(bare["bytes"]):  # only Linux reports the peak of a process
            yield Measurement("its peak memory", "of the bare step", ratios(held), limits[1])


def _import_row(seconds: list[float]) -> Measurement:
    return Measurement(
        "import of the pack", "ComfyUI without it", tuple(1000 * one for one in seconds), IMPORT_LIMIT_MS, "ms"
    )


def ratios(pairs: list[tuple[float, float]]) -> tuple[float, ...]:
    return tuple(ours / theirs for ours, theirs in pairs)
