"""Benchmark only: nodes that time the pack inside a running ComfyUI. `styleroute benchmark` drives them."""

import json

from comfy_api.latest import ComfyExtension, io

from . import capture_timing, pack_import, style_timing


class ImportPack(io.ComfyNode):
    """Loads the pack into a ComfyUI that started without it, by ComfyUI's own function."""

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
    """Times steps and changes of style on a random Flux; needs the pack, by Benchmark_ImportPack or as custom node."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Benchmark_MeasureStyle",
            category="StyleRoute/benchmark",
            is_output_node=True,
            inputs=[
                io.String.Input("expert", tooltip="An expert file without an encoder, by its full path."),
                io.String.Input("loras", tooltip="Two LoRA files from models/loras, parted by a comma."),
                io.Int.Input("pairs", default=5, min=1, max=100),
            ],
        )

    @classmethod
    def execute(cls, expert: str, loras: str, pairs: int) -> io.NodeOutput:
        return _report(style_timing.measure(expert, loras.split(","), pairs))


class MeasureCapture(io.ComfyNode):
    """Times steps with every block's attention maps captured; needs the pack."""

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


def _report(measured: dict) -> io.NodeOutput:
    return io.NodeOutput(ui={"benchmark": [json.dumps(measured)]})


class BenchmarkExtension(ComfyExtension):
    """The benchmark's nodes, as ComfyUI sees them."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [ImportPack, MeasureStyle, MeasureCapture]


async def comfy_entrypoint() -> BenchmarkExtension:
    """Called once by ComfyUI."""
    return BenchmarkExtension()
