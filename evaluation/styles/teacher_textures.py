"""The textures of the teacher's images: what the textures of results are compared with."""

from pathlib import Path

from ...dataset.triplets import Triplet
from ...progress import track
from ..images import open_image
from ..metrics.texture import Texture, TextureStatistics, mean_texture, texture_distance, typical_deviations
from .trials import StyleTrials

CONTENTS = 12
"""Largest number of contents whose images show the texture of each style; more change little and take long."""


class TeacherTextures:
    """The texture of each of the teacher's images, and the distances of other textures to them.

    Args:
        trials: the trials; their own contents come first.
        statistics: maps images to textures.
    """

    def __init__(self, trials: StyleTrials, statistics: TextureStatistics) -> None:
        self._textures: dict[Path, Texture] = {}
        rows = {row.stylised: row for row in (*trials.triplets, *_first_scenes(trials))}
        self._by_style: dict[str, dict[str, Texture]] = {}
        for path, row in track(list(rows.items()), "textures"):
            texture = statistics(open_image(path, trials.side))
            self._textures[path] = texture
            self._by_style.setdefault(row.style, {}).setdefault(row.content_name, texture)
        self._deviations = typical_deviations({style: [*found.values()] for style, found in self._by_style.items()})

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


def _first_scenes(trials: StyleTrials) -> list[Triplet]:
    """One of the teacher's images for each style and each of the first contents."""
    names = dict.fromkeys(row.content_name for row in (*trials.triplets, *trials.teacher))
    kept = set(list(names)[:CONTENTS])
    rows = {(row.style, row.content_name): row for row in reversed(trials.teacher) if row.content_name in kept}
    return list(rows.values())
