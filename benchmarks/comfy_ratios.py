"""Measures cases in ComfyUI's process, one after the other, within a time limit."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch

from ..errors import ComfyError
from ..moe import ExpertConfig
from ..paths import PACK
from .budget import NO_TIME, Budget
from .cases import Case
from .measurement import Measurement
from .random_files import CONFIG, Blocks, RandomFiles, adapted_layers

BENCHMARK_PACK = PACK / "benchmarks" / "comfy_pack"
GRACE_SECONDS = 20.0
"""A measurement that runs this much longer than the time limit is interrupted."""


class Server(Protocol):
    """Runs workflows, as `ComfyServer` does."""

    def run(self, prompt: dict[str, Any]) -> dict[str, Any]: ...
    def interrupt(self) -> None: ...


@dataclass(frozen=True)
class ModelSizes:
    """Sizes of a random model and of its inputs, as the benchmark's node pack reads them.

    Attributes:
        hidden: width of a token.
        double: number of double blocks.
        single: number of single blocks.
        cells: side of the latents; the reference image has the same size.
        context: width of a text token before the model.
        vector: width of the pooled text.
        text: number of text tokens.
        form: form of the stored weights: float32, bf16 or fp8.
    """

    hidden: int = 1024
    double: int = 2
    single: int = 4
    cells: int = 64
    context: int = 128
    vector: int = 64
    text: int = 32
    form: str = "float32"

    @property
    def blocks(self) -> Blocks:
        return Blocks(self.hidden, self.double, self.single)

    @property
    def tokens(self) -> int:
        """Tokens of the image and of its reference."""
        return 2 * (self.cells // 2) ** 2

    @property
    def name(self) -> str:
        """A short name for tables."""
        form = "" if self.form == "float32" else f", {self.form}"
        return f"hidden {self.hidden}, {self.double} + {self.single} blocks{form}"


@dataclass(frozen=True)
class CaseResult:
    """The measured pairs (ours, theirs) of a case.

    Attributes:
        case: what was measured.
        sizes: the model.
        seconds: times of each pair.
        peaks: peak memory of each pair in bytes; zeros if the system does not report it.
    """

    case: Case
    sizes: ModelSizes
    seconds: tuple[tuple[float, float], ...]
    peaks: tuple[tuple[int, int], ...]

    @property
    def measurements(self) -> Iterator[Measurement]:
        """The rows of a table: the time, and the peak memory if the case has it."""
        case, size = self.case, self.sizes.name
        yield Measurement(case.what, case.against, ratios(self.seconds), case.limit(self.sizes.hidden), size=size)
        if case.has_memory and all(theirs for _, theirs in self.peaks):
            limit = case.memory_limit(self.sizes.hidden)
            yield Measurement(f"{case.what}: peak memory", case.against, ratios(self.peaks), limit, size=size)


def measure_cases(
    server: Server,
    cases: Sequence[Case],
    sizes: ModelSizes,
    files: RandomFiles,
    pairs: int,
    budget: Budget | None = None,
    cpu_time: bool = False,
) -> Iterator[CaseResult | str]:
    """Measure each case; a case that cannot be measured gives a sentence instead.

    Args:
        server: a ComfyUI with the pack and the benchmark's pack.
        cases: what to measure.
        sizes: the random model.
        files: files of the styles for this model.
        pairs: largest number of pairs of each case.
        budget: the time limit. When it is over, the remaining cases give sentences.
        cpu_time: count the time of ComfyUI's process on the CPU.
    """
    model = {"size": json.dumps(asdict(sizes)), "files": files.json}
    for number, case in enumerate(cases):
        name = f"{sizes.name}: {case.what}"
        if budget is not None and budget.is_over:
            yield f"{name}: {NO_TIME}"
            continue
        share = {} if budget is None else {"seconds": budget.share([1.0] * (len(cases) - number))}
        asked = {"kind": case.kind, "ours": case.ours, "theirs": case.theirs, "pairs": pairs, "cpu_time": cpu_time}
        yield _result(server, case, sizes, model | {"seconds": 1e9} | asked | share, budget)


def run_node(server: Server, node: str, budget: Budget | None = None, **inputs: Any) -> dict[str, Any]:
    """Run a node of the benchmark pack and return its results.

    Raises:
        ComfyError: the node failed, or was interrupted because the time limit passed.
    """
    with _interrupted_after(server, budget):
        outputs = server.run({"1": {"class_type": node, "inputs": inputs}})
    return json.loads(outputs["1"]["benchmark"][0])


def bytes_row(measured: dict[str, Any], size: str = "") -> Measurement:
    """The share of the expert file that one style reads, from the results of Benchmark_MeasureTransfer."""
    whole = measured["bytes_of_file"]
    share, limit = measured["bytes_read"] / whole, bytes_limit(CONFIG, whole, measured["layers"])
    return Measurement("bytes read for a style", f"the whole file, {whole / 2**20:.1f} MiB", (share,), limit, size=size)


def bytes_limit(config: ExpertConfig, bytes_of_file: int, layers: int) -> float:
    """Largest share of the file that a style may read: k+1 of E+1 experts, and the gates of all layers."""
    gates = config.num_experts * config.cond_dim * layers * torch.float16.itemsize
    return (config.top_k + 1) / (config.num_experts + 1) + gates / bytes_of_file


def transfer(server: Server, sizes: ModelSizes, files: RandomFiles, budget: Budget | None = None) -> dict[str, Any]:
    """Make the random model, and read and move single styles; see the node pack's `transfer.py`."""
    size = json.dumps(asdict(sizes))
    measured = run_node(server, "Benchmark_MeasureTransfer", budget, size=size, files=files.json)
    return measured | {"layers": len(adapted_layers(sizes.blocks))}


def ratios(pairs: Sequence[tuple[float, float]]) -> tuple[float, ...]:
    """Ours divided by theirs, for each pair."""
    return tuple(ours / theirs for ours, theirs in pairs)


def _result(
    server: Server, case: Case, sizes: ModelSizes, inputs: dict[str, Any], budget: Budget | None
) -> CaseResult | str:
    try:
        found = run_node(server, "Benchmark_MeasureRatio", budget, **inputs)
    except ComfyError as error:
        if budget is None:
            raise
        # One case may need more memory than the device has. The other cases can still be measured.
        return f"{sizes.name}: {case.what}: not measured ({first_line(error)})"
    if "missing" in found:
        return f"{sizes.name}: {case.what}: not measured, because {found['missing']}"
    return CaseResult(case, sizes, *(tuple(map(tuple, found[key])) for key in ("seconds", "bytes")))


@contextmanager
def _interrupted_after(server: Server, budget: Budget | None) -> Iterator[None]:
    """Within the block, ComfyUI is interrupted some seconds after the time limit."""
    if budget is None:
        yield
        return
    timer = threading.Timer(budget.remaining + GRACE_SECONDS, server.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def first_line(error: ComfyError) -> str:
    """The first line of an error, without the log that may follow."""
    return str(error).splitlines()[0][:300]
