"""The goals: routed experts add strokes to what the shared expert does, and need no image beside the photo."""

from collections.abc import Sequence

from ..claims import ClaimResult
from ..goals import beats_by, covers_way, reaches
from ..method_scores import MethodScores
from ..styles.scores import L1, OWN_TEXTURE
from .rows import ALL, NEITHER, NO_REFERENCE, SHARED

LEAST_GAIN = 0.02
"""What the routed experts must gain over the shared expert alone, in L1 to the teacher's image."""
LEAST_WAY = 0.75
"""The share of the way from neither input to both that the routed experts must cover without the style image."""
LEAST_OWN_TEXTURE = 0.6
"""Share of images whose nearest texture must be that of their own style."""


def steering_goals(rows: Sequence[MethodScores]) -> list[ClaimResult]:
    """The outcome of every goal."""
    scores = {row.name: row for row in rows}
    return [
        beats_by(scores, ALL, SHARED, L1, LEAST_GAIN),
        covers_way(scores, NEITHER, NO_REFERENCE, ALL, L1, LEAST_WAY),
        reaches(scores, ALL, OWN_TEXTURE, LEAST_OWN_TEXTURE),
    ]
