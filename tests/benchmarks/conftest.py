"""The benchmark's node pack in this process, with ComfyUI set to the CPU."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from styleroute.benchmarks.comfy_ratios import BENCHMARK_PACK, ModelSizes
from styleroute.comfy_client import find_comfyui

NAME = "styleroute_benchmark_pack"


@pytest.fixture(scope="session")
def comfy_pack() -> ModuleType:
    """The node pack, imported by its path as ComfyUI does."""
    sys.path.insert(0, str(find_comfyui()))
    importlib.import_module("comfy.cli_args").args.cpu = True
    spec = importlib.util.spec_from_file_location(NAME, BENCHMARK_PACK / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def moe_apply(comfy_pack, monkeypatch: pytest.MonkeyPatch) -> type:
    """MoE Apply, registered as a loaded pack registers it."""
    from styleroute.nodes.maps.capture_attention import CaptureAttention
    from styleroute.nodes.regions.region_prompt import RegionPrompt
    from styleroute.nodes.styles.moe_apply import MoEApply

    import nodes

    monkeypatch.setitem(nodes.NODE_CLASS_MAPPINGS, "StyleRoute_MoEApply", MoEApply)
    monkeypatch.setitem(nodes.NODE_CLASS_MAPPINGS, "StyleRoute_RegionPrompt", RegionPrompt)
    monkeypatch.setitem(nodes.NODE_CLASS_MAPPINGS, "StyleRoute_CaptureAttention", CaptureAttention)
    return MoEApply


SMALL = ModelSizes(hidden=128, double=1, single=2, cells=4)
"""Sizes of a model that a test can measure in a second."""


class ServerInProcess:
    """Runs the nodes of the benchmark's pack in this process, as a ComfyUI server does."""

    def __init__(self, pack: ModuleType, models: Path) -> None:
        nodes = vars(pack).values()
        self.nodes = {node.GET_SCHEMA().node_id: node for node in nodes if hasattr(node, "GET_SCHEMA")}
        self.models = models

    def run(self, prompt: dict[str, Any]) -> dict[str, Any]:
        return {key: self.nodes[node["class_type"]].execute(**node["inputs"]).ui for key, node in prompt.items()}

    def interrupt(self) -> None:
        raise AssertionError("no test takes this long")


@pytest.fixture
def server(comfy_pack, moe_apply, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServerInProcess]:
    """A server in this process, with a models folder of its own."""
    import folder_paths

    monkeypatch.setitem(folder_paths.folder_names_and_paths, "loras", ([str(tmp_path / "loras")], {".safetensors"}))
    if importlib.util.find_spec("comfy_extras.nodes_lora_debug"):  # newer versions of ComfyUI
        import nodes

        extra = importlib.import_module("comfy_extras.nodes_lora_debug").NODE_CLASS_MAPPINGS
        for name, node in extra.items():
            monkeypatch.setitem(nodes.NODE_CLASS_MAPPINGS, name, node)
    yield ServerInProcess(comfy_pack, tmp_path)
    comfy_pack.Kept.sides = comfy_pack.Kept.of = None
