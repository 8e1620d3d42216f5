"""Nodes that time the pack inside a running ComfyUI, for `styleroute benchmark` only."""

import gc
import json
from typing import ClassVar

from comfy_api.latest import ComfyExtension, io

from . import pack_import, ratio_timing, storage_error, transfer
from .random_model import ModelSize
from .sides import Files, NotAvailable, Sides

CATEGORY = "StyleRoute/benchmark"


class ImportPack(io.ComfyNode):
    """Loads the pack with ComfyUI's own function, in a ComfyUI that started without the pack."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Benchmark_ImportPack",
            category=CATEGORY,
            is_output_node=True,
            inputs=[io.String.Input("pack")],
        )

    @classmethod
    async def execute(cls, pack: str) -> io.NodeOutput:
        return _report({"seconds": await pack_import.import_pack(pack)})


class Kept:
    """The random model of the last measurements, which the next ones may use."""

    of: ClassVar[tuple[str, str] | None] = None
    sides: ClassVar[Sides | None] = None

    @classmethod
    def sides_of(cls, size: str, files: str) -> Sides:
        """The sides of a model: the kept ones, if size and files are the same.

        Args:
            size: a `ModelSize` as JSON.
            files: `Files` as JSON.
        """
        if cls.of != (size, files) or cls.sides is None:
            cls.sides = cls.of = None  # two models at once may not fit
            gc.collect()
            named = json.loads(files)
            cls.sides = Sides(
                ModelSize(**json.loads(size)), Files(named["expert"], tuple(named["loras"]), tuple(named["fused"]))
            )
            cls.of = size, files
        return cls.sides


MODEL_INPUTS = (
    io.String.Input("size", tooltip="Sizes of the random model, as JSON."),
    io.String.Input("files", tooltip="Expert and LoRA files, as JSON."),
)


class MeasureRatio(io.ComfyNode):
    """Times two sides of a random Flux, alternating. Needs the pack, loaded by Benchmark_ImportPack or at start."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Benchmark_MeasureRatio",
            category=CATEGORY,
            is_output_node=True,
            not_idempotent=True,
            inputs=[
                *MODEL_INPUTS,
                io.Combo.Input("kind", options=["step", "change"]),
                io.String.Input("ours"),
                io.String.Input("theirs"),
                io.Int.Input("pairs", default=5, min=1, max=100),
                io.Float.Input("seconds", default=600.0, min=0.0, max=1e9, tooltip="No new pair would end later."),
                io.Boolean.Input("cpu_time", default=False, tooltip="Count the process's time on the CPU only."),
            ],
        )

    @classmethod
    def execute(
        cls, size: str, files: str, kind: str, ours: str, theirs: str, pairs: int, seconds: float, cpu_time: bool
    ) -> io.NodeOutput:
        sides = Kept.sides_of(size, files)
        try:
            return _report(ratio_timing.measure_ratio(sides, kind, ours, theirs, pairs, seconds, cpu_time))
        except NotAvailable as reason:
            return _report({"missing": str(reason)})


class MeasureTransfer(io.ComfyNode):
    """Makes the random model, and times how one style is read and moved to the device. Needs the pack."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Benchmark_MeasureTransfer",
            category=CATEGORY,
            is_output_node=True,
            not_idempotent=True,
            inputs=list(MODEL_INPUTS),
        )

    @classmethod
    def execute(cls, size: str, files: str) -> io.NodeOutput:
        sides = Kept.sides_of(size, files)
        measured = transfer.measure_transfer(sides, json.loads(files)["expert"])
        return _report(measured | transfer.describe(sides))


class MeasureStorage(io.ComfyNode):
    """Measures the error of styles in a form of weight storage. Needs the pack."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Benchmark_MeasureStorage",
            category=CATEGORY,
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
        return [ImportPack, MeasureRatio, MeasureTransfer, MeasureStorage]


async def comfy_entrypoint() -> BenchmarkExtension:
    """ComfyUI calls this function once."""
    return BenchmarkExtension()
