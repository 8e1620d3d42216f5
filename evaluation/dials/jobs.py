"""The images to generate: one per setting and trial."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ...paths import TINY_MODELS
from ..generated_images import images_folder
from .settings import DialSetting
from .trials import DialTrial

EXPERTS = TINY_MODELS / "style_experts" / "tiny_styles.safetensors"
"""The shipped experts of the small Kontext. They read the style image as a second reference."""


@dataclass(frozen=True)
class DialJob:
    """One image to generate."""

    setting: DialSetting
    trial: DialTrial
    seed: int

    @cached_property
    def relative_path(self) -> Path:
        """The image's file, relative to the folder of all images."""
        folder = images_folder(self.setting.name, str(self.setting), (EXPERTS, self.trial.photo, self.trial.style))
        return Path(folder, f"{self.trial.name}_seed{self.seed}.png")
