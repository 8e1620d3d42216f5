"""The textures of the teacher's images: what the textures of results are compared with.

Every generated image is decoded by the VAE, which blurs fine texture. The teacher's images therefore pass through the
same VAE before their textures are read.
"""

from pathlib import Path

import numpy as np

from ...dataset.triplets import Triplet
from ...paths import TINY_MODELS
from ...progress import track
from ...storage.whole_file import whole_file
from ..generated_images import file_digest
from ..images import open_image
from ..metrics.texture import VERSION, Texture, TextureStatistics, mean_texture, standard_deviations, texture_distance
from ..vae_round_trip import VaeRoundTrip
from .trials import StyleTrials

CONTENTS = 8
"""Largest number of contents whose images show the texture of each style; more change little and take long."""


class TeacherTextures:
    """The texture of each of the teacher's images, and the distances of other textures to them.

    Args:
        trials: the trials; their own contents come first.
        statistics: maps images to textures.
        round_trip: encodes and decodes an image with the VAE.
        folder: folder in which textures are kept, so that a second run does not compute them; None: not kept.

    Attributes:
        statistics: the function of the argument.
        rows: the triplets by the teacher's image: those of the trials, and some of each style.
    """

    def __init__(
        self, trials: StyleTrials, statistics: TextureStatistics, round_trip: VaeRoundTrip, folder: Path | None = None
    ) -> None:
        self.statistics, self._round_trip, self._folder, self._side = statistics, round_trip, folder, trials.side
        self._textures: dict[Path, Texture] = {}
        self._by_style: dict[str, dict[str, Texture]] = {}
        self.rows = {row.stylised: row for row in (*trials.triplets, *_first_scenes(trials))}
        for path, row in track(list(self.rows.items()), "textures"):
            self._textures[path] = self._kept(path)
            self._by_style.setdefault(row.style, {}).setdefault(row.content_name, self._textures[path])
        self._deviations = standard_deviations(list(self._textures.values()))

    def distance(self, texture: Texture, triplet: Triplet) -> float:
        """The distance to the teacher's image of a trial."""
        return texture_distance(texture, self._textures[triplet.stylised], self._deviations)

    def nearest_style(self, texture: Texture, without: str) -> str | None:
        """The style whose mean texture is the nearest, over all contents but `without`; None without other contents."""
        distances = {}
        for style, found in self._by_style.items():
            others = [known for content, known in found.items() if content != without]
            if others:
                distances[style] = texture_distance(texture, mean_texture(others), self._deviations)
        return min(distances, key=distances.__getitem__) if distances else None

    def _kept(self, path: Path) -> Texture:
        if self._folder is None:
            return self._read(path)
        file = self._folder / f"{file_digest(path)[:24]}-{self._side}.npz"
        if not file.exists():
            texture = self._read(path)
            with whole_file(file) as partial, partial.open("wb") as opened:
                np.savez(opened, **texture)
        with np.load(file) as stored:
            return dict(stored)

    def _read(self, path: Path) -> Texture:
        return self.statistics(self._round_trip(open_image(path, self._side)))


def textures_folder(output: Path) -> Path:
    """The folder for the textures of these VAE weights and this version of the statistics."""
    vae = file_digest(TINY_MODELS / "vae.safetensors")
    return output / "textures" / f"{vae[:12]}-{VERSION}"


def _first_scenes(trials: StyleTrials) -> list[Triplet]:
    """One of the teacher's images for each style and each of the first contents."""
    names = dict.fromkeys(row.content_name for row in (*trials.triplets, *trials.teacher))
    kept = set(list(names)[:CONTENTS])
    rows = {(row.style, row.content_name): row for row in reversed(trials.teacher) if row.content_name in kept}
    return list(rows.values())
