"""The benchmark's node pack in this process, with ComfyUI set to the CPU."""

import importlib
import importlib.util
import sys
from types import ModuleType

import pytest
from styleroute.benchmarks.nodes import BENCHMARK_PACK
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
    from styleroute.nodes.regions.region_prompt import RegionPrompt
    from styleroute.nodes.styles.moe_apply import MoEApply

    import nodes

    monkeypatch.setitem(nodes.NODE_CLASS_MAPPINGS, "StyleRoute_MoEApply", MoEApply)
    monkeypatch.setitem(nodes.NODE_CLASS_MAPPINGS, "StyleRoute_RegionPrompt", RegionPrompt)
    return MoEApply
