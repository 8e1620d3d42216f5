"""All errors for users derive from one base class."""

import ast
import builtins
from pathlib import Path

import pytest
import styleroute.attention
import styleroute.moe
from styleroute import errors
from styleroute.paths import PACK

CODE = (
    "attention",
    "cli",
    "comfy_client",
    "dataset",
    "demo",
    "evaluation",
    "flux",
    "generation",
    "moe",
    "nodes",
    "storage",
    "training",
)
ALLOWED = {"KeyboardInterrupt", "SystemExit"}
CAUGHT_INSIDE = {
    ("dataset/region_manifest.py", "ValueError"),
    ("dataset/triplets.py", "ValueError"),  # a caller's mistake: lists of different lengths
    ("training/adapters/config.py", "TypeError"),  # a caller's mistake: an unknown field of a configuration
    ("training/adapters/optimizer.py", "ImportError"),
}
"""Files that raise a built-in exception, and catch it themselves or report a mistake in the code."""


@pytest.mark.parametrize(
    "name",
    ["StyleExpertError", "AttentionError", "TrainingError", "DataError", "StorageError", "ComfyNotFound", "ComfyError"],
)
def test_every_refusal_derives_from_one_base(name: str) -> None:
    assert issubclass(getattr(errors, name), errors.StyleRouteError)


def test_the_ideas_export_their_refusal() -> None:
    assert styleroute.moe.StyleExpertError is errors.StyleExpertError
    assert styleroute.attention.AttentionError is errors.AttentionError


def raised_builtins(file: Path) -> set[str]:
    """Built-in exceptions that a file raises by name."""
    raised = [node.exc for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Raise)]
    calls = [node.func if isinstance(node, ast.Call) else node for node in raised]
    return {call.id for call in calls if isinstance(call, ast.Name) and hasattr(builtins, call.id)}


@pytest.mark.parametrize("folder", CODE)
def test_no_other_error_reaches_users(folder: str) -> None:
    for file in sorted((PACK / folder).rglob("*.py")):
        path = file.relative_to(PACK).as_posix()
        if "comfy_pack" in path:
            continue
        unexpected = {name for name in raised_builtins(file) - ALLOWED if (path, name) not in CAUGHT_INSIDE}
        assert not unexpected, f"{path} raises {unexpected}; derive the error from StyleRouteError"
