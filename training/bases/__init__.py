"""The models that adapters are trained for: FLUX.1 Kontext, and the small Kontext that ships with the pack."""

from .base import Base
from .kontext import KontextBase
from .tiny import TinyBase

__all__ = ["Base", "load_base"]


def load_base(source: str, device: str = "cpu") -> Base:
    """``"tiny"``, or the name or folder of a FLUX.1 Kontext in diffusers' layout.

    Raises:
        TrainingError: the folder holds another family of models, or is not there.
    """
    return TinyBase() if source == "tiny" else KontextBase(source, device)
