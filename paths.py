"""Folders of the pack, and the command that its messages name."""

from pathlib import Path

PACK = Path(__file__).absolute().parent
"""The root folder of the repository: the Python package, and the node pack that ComfyUI loads."""

CONVERT_COMMAND = f"python custom_nodes/{PACK.name} convert SOURCE TARGET"
"""Command for ComfyUI's folder that converts a .pt file to a .safetensors file. Error messages and help name it."""

CACHE = PACK / ".cache"
"""Downloaded material, such as photos and objects. It is safe to delete: the next run downloads it again."""

RUNS = PACK / "runs"
"""Checkpoints and logs of training runs."""

TINY_PACK = PACK / "examples" / "tiny_kontext"
"""The demo's node pack, which loads the small Kontext."""

TINY_MODELS = TINY_PACK / "models"
"""The weights that ship with the repository."""

METRIC_MODELS = PACK / "metric_models"
"""Folder of the downloaded models that metrics use, such as CLIP. No command downloads into it."""
