"""The bar that the small Kontext has to reach at each size, and whether it does."""

from ..claims import FAILS, HOLDS, ClaimResult
from .scores import InstructionScore, SizeEvaluation

KEEP_LOSS = 1.0
"""How far "keep" may be below the VAE alone, in dB."""

LEAST_PSNR = 25.0
"""PSNR in dB that every instruction must reach."""

LARGEST_SEAM = 1.5
"""Upper limit for the seam of every image, as a multiple of the photo's own largest jump."""


def check_bar(found: SizeEvaluation) -> list[ClaimResult]:
    """Tests each line of the bar."""
    keep, ceiling = found.edits[0].image, found.ceiling.image
    lowest = min(found.edits, key=lambda row: row.image)
    worst = worst_seam(found)
    return [
        _line(
            f"{found.title}: keep is within {KEEP_LOSS:g} dB of the VAE",
            keep >= ceiling - KEEP_LOSS,
            f"keep {keep:.1f} dB, VAE alone {ceiling:.1f} dB",
        ),
        _line(
            f"{found.title}: every instruction reaches {LEAST_PSNR:g} dB",
            lowest.image >= LEAST_PSNR,
            f"lowest: {lowest.name}, {lowest.image:.1f} dB",
        ),
        _line(
            f"{found.title}: no seam or frame above {LARGEST_SEAM:g} times the photo's own jumps",
            worst.seam <= LARGEST_SEAM,
            f"largest: {worst.name}, {worst.seam:.2f} times",
        ),
    ]


def worst_seam(found: SizeEvaluation) -> InstructionScore:
    """Returns the instruction with the largest seam."""
    return max(found.edits, key=lambda row: row.seam)


def _line(claim: str, holds: bool, numbers: str) -> ClaimResult:
    return ClaimResult(claim, HOLDS if holds else FAILS, numbers)
