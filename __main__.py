"""The `styleroute` command, as `python <this folder> ...` or `python -m styleroute ...`.

The first form needs no installation: ComfyUI's own Python runs `bake`, `convert` and `inspect` from the installed
pack.
"""

import importlib.util
import sys
from pathlib import Path

FOLDER = Path(__file__).absolute().parent


def load_package() -> None:
    """Import this folder as the package `styleroute`; the folder may have any name.

    `python <folder>` puts the folder itself on `sys.path`. There its `nodes` or `moe` could hide other modules, so it
    is removed.
    """
    sys.path[:] = [entry for entry in sys.path if Path(entry).absolute() != FOLDER]
    spec = importlib.util.spec_from_file_location(
        "styleroute", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["styleroute"] = package
    spec.loader.exec_module(package)


def main() -> int:
    """Run the command with the arguments of this process, and return its exit code."""
    if not __package__:
        load_package()
    from styleroute.cli import main as run_command

    return run_command()


if __name__ == "__main__":
    sys.exit(main())
