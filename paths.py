"""Folders and commands of the installed pack."""

from pathlib import Path

PACK = Path(__file__).absolute().parent
"""The root folder of the repository: the Python package, and the node pack that ComfyUI loads."""

CONVERT_COMMAND = f"python custom_nodes/{PACK.name} convert SOURCE TARGET"
"""Command that converts weights with ComfyUI's own Python. It runs in ComfyUI's folder."""

CACHE = PACK / ".cache"
"""Downloaded material: photos, objects. Safe to delete; it is fetched again."""

RUNS = PACK / "runs"
"""Checkpoints and logs of training runs."""

TINY_PACK = PACK / "examples" / "tiny_kontext"
"""The node pack of the demo: the small Kontext."""

TINY_MODELS = TINY_PACK / "models"
"""The weights that ship with the repository."""
