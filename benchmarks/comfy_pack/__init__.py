"""Nodes that time the pack inside a running ComfyUI, for `styleroute benchmark` only."""

import json
import time

from comfy_api.latest import ComfyExtension, io

from . import branch_timing, capture_timing, pack_import, storage_error, style_timing
from .random_model import ModelSize

SIZES = ("hidden", "double", "single", "cells")
"""Sizes of the random model that a benchmark chooses."""


class ImportPack(io.ComfyNode):
    """Loads the pack with ComfyUI's own function, in a ComfyUI that started without the pack."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Benchmark_ImportPack",
            category="StyleRoute/benchmark",
            is_output_node=True,
            inputs=[io.String.Input("pack")],
        )

    @classmethod
    async def execute(cls, pack: str) -> io.NodeOutput:
        return _report({"seconds": await pack_import.import_pack(pack)})


class MeasureStyle(io.ComfyNode):
    """Times steps and changes of style on a random Flux. Needs the pack, loaded by Benchmark_ImportPack or at start."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Benchmark_MeasureStyle",
            category="StyleRoute/benchmark",
            is_output_node=True,
            inputs=[
                io.String.Input("expert", tooltip="Full path of an expert file without a style encoder."),
                io.String.Input("loras", tooltip="Two LoRA files in models/loras, separated by a comma."),
                io.Int.Input("pairs", default=5, min=1, max=100),
            ],
        )

    @classmethod
    def execute(cls, expert: str, loras: str, pairs: int) -> io.NodeOutput:
        return _report(style_timing.measure(expert, loras.split(","), pairs))


class MeasureCapture(io.ComfyNode):
    """Times steps that capture the attention maps of every block. Needs the pack."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Benchmark_MeasureCapture",
            category="StyleRoute/benchmark",
            is_output_node=True,
            inputs=[io.Int.Input("pairs", default=5, min=1, max=100)],
        )

    @classmethod
    def execute(cls, pairs: int) -> io.NodeOutput:
        return _report(capture_timing.measure_capture(pairs))


class MeasureBranch(io.ComfyNode):
    """Times steps and changes of style with styles at run time. Needs the pack."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Benchmark_MeasureBranch",
            category="StyleRoute/benchmark",
            is_output_node=True,
            inputs=[
                io.String.Input("expert", tooltip="Full path of an expert file without a style encoder."),
                io.String.Input("loras", tooltip="Two LoRA files in models/loras, separated by a comma."),
                *(io.Int.Input(name, default=getattr(ModelSize(), name)) for name in SIZES),
                io.Int.Input("pairs", default=5, min=1, max=100),
                io.Boolean.Input("cpu_time", default=False, tooltip="Count the process's time on the CPU only."),
            ],
        )

    @classmethod
    def execute(cls, expert: str, loras: str, pairs: int, cpu_time: bool, **size: int) -> io.NodeOutput:
        clock = time.process_time if cpu_time else time.perf_counter
        return _report(branch_timing.measure_branch(expert, loras.split(","), ModelSize(**size), pairs, clock))


class MeasureStorage(io.ComfyNode):
    """Measures the error of styles in a form of weight storage. Needs the pack."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Benchmark_MeasureStorage",
            category="StyleRoute/benchmark",
            is_output_node=True,
            inputs=[
                io.String.Input("form", tooltip="Form of the weight storage, as the table names it."),
                io.String.Input("loras", tooltip="Full paths of LoRA files, separated by commas."),
            ],
        )

    @classmethod
    def execute(cls, form: str, loras: str) -> io.NodeOutput:
        return _report({"errors": storage_error.storage_errors(form, loras.split(","))})


def _report(measured: dict) -> io.NodeOutput:
    return io.NodeOutput(ui={"benchmark": [json.dumps(measured)]})


class BenchmarkExtension(ComfyExtension):
    """Registers the benchmark's nodes."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [ImportPack, MeasureStyle, MeasureCapture, MeasureBranch, MeasureStorage]


async def comfy_entrypoint() -> BenchmarkExtension:
    """ComfyUI calls this function once."""
    return BenchmarkExtension()
