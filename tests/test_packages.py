"""An installed copy has every folder of code that the repository has."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOT_INSTALLED = {"tests", "examples"}
NODE_PACKS = {"benchmarks/comfy_pack", "evaluation/comfy_pack"}
"""Node packs of their own, which ComfyUI loads by path."""


def test_every_package_is_installed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = [path.parent.relative_to(ROOT) for path in ROOT.glob("[!.]*/**/__init__.py")]
    code = [
        folder for folder in folders if folder.parts[0] not in NOT_INSTALLED and folder.as_posix() not in NODE_PACKS
    ]
    expected = {"styleroute", *(".".join(("styleroute", *folder.parts)) for folder in code)}
    assert set(settings["tool"]["setuptools"]["packages"]) == expected
