"""Results of a benchmark as they come: measured cases, rows of the table, and sentences."""

from collections.abc import Iterable, Iterator

from .comfy_ratios import CaseResult
from .measurement import Measurement

Result = CaseResult | Measurement | str
"""A measured case, a row of the table, or a sentence about a case that was not measured."""


def rows_of(results: Iterable[Result]) -> list[Measurement]:
    """The rows of the table, without the sentences."""
    return [row for row in rows_or_text(results) if isinstance(row, Measurement)]


def rows_or_text(results: Iterable[Result]) -> Iterator[Measurement | str]:
    """The rows of each result, and the sentences, in their order."""
    for result in results:
        if isinstance(result, CaseResult):
            yield from result.measurements
        else:
            yield result
