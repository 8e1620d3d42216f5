"""Where the training code keeps what it downloads and what it makes."""

from pathlib import Path

PACK = Path(__file__).absolute().parent
"""The root folder of the repository: the Python package, and the node pack that ComfyUI loads."""

CACHE = PACK / ".cache"
"""Downloaded material: photos, objects. Safe to delete; it is fetched again."""

RUNS = PACK / "runs"
"""Checkpoints and logs of training runs."""

TINY_PACK = PACK / "examples" / "tiny_kontext"
"""The demo's pack of nodes: the small Kontext."""

TINY_MODELS = TINY_PACK / "models"
"""The weights that ship with the repository."""
