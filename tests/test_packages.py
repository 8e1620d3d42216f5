"""An installed copy has every folder of code that the repository has."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_every_package_is_installed() -> None:
    listed = re.search(
        r"^packages = \[(.*?)\]$", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    folders = {path.parent.relative_to(ROOT) for layer in ("attention", "comfy_client", "flux", "moe", "nodes", "storage", "training")
               for path in (ROOT / layer).rglob("__init__.py")}  # fmt: skip
    assert listed is not None
    assert set(re.findall(r'"([\w.]+)"', listed[1])) == {".".join(("styleroute", *path.parts)) for path in folders} | {
        "styleroute"
    }
