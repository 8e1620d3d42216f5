"""Which methods of two runs are compared, and their paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...errors import DataError
from ...plain_text import quoted
from ..method_scores import MetricColumn
from .comparison import PairedDifference, Trial, adjusted, paired_difference
from .kinds import kind_of
from .rows import ScoredImage
from .runs import EvaluationRun


@dataclass(frozen=True)
class MethodPair:
    """Two methods with the same trials of one protocol.

    Attributes:
        protocol: the protocol.
        first, second: images of both methods.
    """

    protocol: str
    first: list[ScoredImage]
    second: list[ScoredImage]

    @property
    def methods(self) -> tuple[str, str]:
        """The names of both methods."""
        return self.first[0].method, self.second[0].method


@dataclass(frozen=True)
class ComparedMetric:
    """The paired difference in one metric, and its p-value corrected for the number of metrics."""

    column: MetricColumn
    found: PairedDifference
    adjusted_p: float


def method_pairs(
    runs: Sequence[EvaluationRun], names: tuple[str, str], methods: tuple[str, str] | None = None
) -> list[MethodPair]:
    """The methods to compare in each protocol of two runs.

    They have one name in both runs. If no name is common, and each run has one method, these two are compared.

    Args:
        runs: all runs of the report.
        names: names of two runs; they may be equal if `methods` are given.
        methods: a method of the first and one of the second run; None for all methods with the same name.

    Raises:
        DataError: a run or method does not exist, or the runs have no common protocol, method or trial.
    """
    first, second = (_named(runs, name) for name in names)
    if first is second and methods is None:
        raise DataError(f"{quoted(names[0])} is compared with itself, expected two runs: give two names, or --methods.")
    common = [protocol for protocol in first.protocols if protocol in second.protocols]
    if not common:
        raise DataError(
            f"{names[0]} has {', '.join(first.protocols)}, and {names[1]} has {', '.join(second.protocols)}; expected "
            "two runs of one evaluation: give two others."
        )
    pairs = [pair for protocol in common for pair in _pairs(protocol, first, second, methods)]
    if not pairs:
        raise DataError(
            f"{names[0]} and {names[1]} have no method to compare, expected one name in both: give --methods with a "
            "method of each."
        )
    compared = [pair for pair in pairs if _trials(pair.first) & _trials(pair.second)]
    if not compared:
        raise DataError(
            f"{names[0]} and {names[1]} have no common trial, expected equal styles, contents and seeds: evaluate both "
            "on the same images."
        )
    return compared


def compare(pair: MethodPair, resamples: int) -> list[ComparedMetric]:
    """The paired differences in all metrics of the protocol that both methods have."""
    found: dict[MetricColumn, PairedDifference] = {}
    for column in kind_of(pair.protocol).columns:
        difference = paired_difference(
            _values(pair.first, column.key), _values(pair.second, column.key), resamples=resamples
        )
        if difference is not None:
            found[column] = difference
    corrected = adjusted([each.p_value for each in found.values()])
    return [ComparedMetric(*each, p_value) for each, p_value in zip(found.items(), corrected, strict=True)]


def _named(runs: Sequence[EvaluationRun], name: str) -> EvaluationRun:
    for run in runs:
        if run.name == name:
            return run
    names = ", ".join(run.name for run in runs)
    raise DataError(f"There is no run {quoted(name)}, expected one of {names}: give --compare with two names.")


def _pairs(
    protocol: str, first: EvaluationRun, second: EvaluationRun, methods: tuple[str, str] | None
) -> list[MethodPair]:
    ours, theirs = _by_method(first, protocol), _by_method(second, protocol)
    if methods is not None:
        chosen = [methods]
        for name, found in zip(methods, (ours, theirs), strict=True):
            if name not in found:
                raise DataError(
                    f"There is no method {quoted(name)} in {protocol}, expected one of {', '.join(found)}: give "
                    "--methods with a method of each run."
                )
    elif len(ours) == len(theirs) == 1:
        chosen = [(*ours, *theirs)]
    else:
        chosen = [(name, name) for name in ours if name in theirs]
    return [MethodPair(protocol, ours[one], theirs[other]) for one, other in chosen]


def _by_method(run: EvaluationRun, protocol: str) -> dict[str, list[ScoredImage]]:
    methods: dict[str, list[ScoredImage]] = {}
    for image in run.images:
        if image.protocol == protocol:
            methods.setdefault(image.method, []).append(image)
    return methods


def _trials(images: Sequence[ScoredImage]) -> set[Trial]:
    return {image.trial for image in images}


def _values(images: Sequence[ScoredImage], key: str) -> Mapping[Trial, float]:
    return {image.trial: image.values[key] for image in images if key in image.values}
