"""All of the pack's wrappers go through one file, which keeps them away from compiled code."""

from pathlib import Path

import styleroute

NODES = Path(styleroute.__file__).parent / "nodes"
MECHANISM = "model_wrappers.py"


def test_no_other_file_wraps_a_model():
    for file in NODES.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if file.name != MECHANISM:
            assert "add_wrapper" not in text, file.name
            assert "add_object_patch" not in text, file.name
        # A wrapper of the transformer stands inside the compiled code, and torch stores it in the graph.
        assert "WrappersMP.DIFFUSION_MODEL" not in text, file.name
        assert "set_stance" not in text or file.name == "compilation.py", file.name
