"""Where the training code keeps what it downloads and what it makes."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
"""The repository's root folder, which is the package."""

CACHE = PACKAGE / ".cache"
"""Downloaded material: photos, objects. Safe to delete; it is fetched again."""

RUNS = PACKAGE / "runs"
"""Checkpoints and logs of training runs."""

TINY_PACK = PACKAGE / "examples" / "tiny_kontext"
"""The demo's pack of nodes: the small Kontext."""

TINY_MODELS = TINY_PACK / "models"
"""The weights that ship with the repository."""
