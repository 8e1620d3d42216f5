"""The message for a command whose packages or folders are not installed."""

from ..paths import PACK

WITH_COMFYUI = ("bake", "convert", "inspect")
"""Commands for artists: ComfyUI's own Python has everything that they import."""


def missing_module(command: str, error: ModuleNotFoundError) -> str:
    """One sentence that says what the command misses, and how to run it.

    Raises:
        ModuleNotFoundError: `error` itself, if it is a fault of this code: a wrong import inside an existing folder.
    """
    name = error.name or str(error)
    package = __package__.split(".")[0]
    own = name.startswith(f"{package}.")
    top = name.split(".")[1 if own else 0]
    if own and ((PACK / top).exists() or (PACK / f"{top}.py").exists()):
        raise error
    if command in WITH_COMFYUI:
        return f"The package {top!r} is not installed here; run this command with ComfyUI's own Python."
    what = f"folder {top}/" if own else f"package {top!r}"
    return f"This command needs a clone of the repository (the {what} is missing here); run `python run.py {command}`."
