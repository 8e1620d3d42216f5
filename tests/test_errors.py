"""All errors for users derive from one base class."""

import ast
import builtins
import importlib.util
import sys
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
    # The report's readers: runs.py catches what a damaged file raises.
    ("evaluation/report/readers.py", "IndexError"),
    ("evaluation/report/rows.py", "TypeError"),
    ("evaluation/report/runs.py", "ValueError"),
    ("moe/peft_config.py", "TypeError"),
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


def test_the_name_of_an_error_has_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """ComfyUI imports a pack under the path of its folder, and reports an error as module and class."""
    name = "/home/artist/ComfyUI/custom_nodes/ComfyUI-StyleRoute"
    spec = importlib.util.spec_from_file_location(name, PACK / "__init__.py")
    monkeypatch.setitem(sys.modules, name, importlib.util.module_from_spec(spec))
    loaded = importlib.import_module(f"{name}.errors")
    classes = [value for value in vars(loaded).values() if isinstance(value, type)]
    subclasses = [
        one for one in classes if issubclass(one, loaded.StyleRouteError) and one is not loaded.StyleRouteError
    ]
    assert len(subclasses) >= 7
    assert {error.__module__ for error in subclasses} == {"styleroute.errors"}
    for module in [module for module in sys.modules if module.startswith(f"{name}.")]:
        monkeypatch.delitem(sys.modules, module)


HOSTILE = "\ud800 \x1b[2J \x07 \u202e"
"""A lone surrogate, terminal codes and a control that reverses the reading direction."""


def all_errors(base: type[errors.StyleRouteError]) -> list[type[errors.StyleRouteError]]:
    return [base, *(one for below in base.__subclasses__() for one in all_errors(below))]


def test_every_error_can_be_logged() -> None:
    """ComfyUI's worker thread ends when it logs a lone surrogate."""
    for error in all_errors(errors.StyleRouteError):
        message = str(error(f"It holds {HOSTILE}{'x' * 1_000_000}. Download it again."))
        message.encode("utf-8")
        assert message.isprintable()
        assert len(message) <= error.limit
        assert message.startswith(r"It holds \ud800 \x1b[2J \x07 \u202exxx")
        assert message.endswith("xxx. Download it again.")


def test_the_message_of_another_error_is_cleaned_too() -> None:
    assert str(errors.StyleExpertError(f"It failed ({ValueError(HOSTILE)}).")).isprintable()


READS_HOSTILE_TEXT = ("moe", "attention", "flux", "nodes")
"""Folders whose messages quote files, prompts and options."""


def quoting_by_repr(file: Path) -> list[int]:
    """Lines of f-strings with `!r`, which shows a text of any length."""
    parts = [
        node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.FormattedValue)
    ]
    return [part.lineno for part in parts if part.conversion == ord("r")]


@pytest.mark.parametrize("folder", READS_HOSTILE_TEXT)
def test_messages_quote_with_a_limit(folder: str) -> None:
    for file in sorted((PACK / folder).rglob("*.py")):
        lines = quoting_by_repr(file)
        assert not lines, f"{file.relative_to(PACK)}, lines {lines}: use plain_text.quoted, which shortens and escapes"


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
