"""The pack imports without ComfyUI and under any name, and registers no old-style mappings."""

import inspect
import subprocess
import sys
from pathlib import Path

import styleroute

ROOT = Path(styleroute.__file__).parent


def test_importing_needs_no_comfyui():
    code = (
        "import styleroute, styleroute.moe, sys; sys.exit(any(name.split('.')[0] == 'comfy' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_entry_point_is_the_only_registration():
    assert inspect.iscoroutinefunction(styleroute.comfy_entrypoint)
    assert not hasattr(styleroute, "NODE_CLASS_MAPPINGS")
    assert (ROOT / styleroute.WEB_DIRECTORY / "docs").is_dir()


def test_moe_and_nodes_import_relatively():
    for file in (path for layer in ("moe", "attention", "nodes") for path in (ROOT / layer).rglob("*.py")):
        assert "import styleroute" not in (text := file.read_text(encoding="utf-8"))
        assert "from styleroute" not in text
        # The registry does not ship training/.
        assert "..training" not in text
