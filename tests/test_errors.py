"""All refusals derive from one base class."""

import pytest
import styleroute.attention
import styleroute.moe
from styleroute import errors


@pytest.mark.parametrize(
    "name",
    ["StyleExpertError", "AttentionError", "TrainingError", "DataError", "StorageError", "ComfyNotFound", "ComfyError"],
)
def test_every_refusal_derives_from_one_base(name: str) -> None:
    assert issubclass(getattr(errors, name), errors.StyleRouteError)


def test_the_ideas_export_their_refusal() -> None:
    assert styleroute.moe.StyleExpertError is errors.StyleExpertError
    assert styleroute.attention.AttentionError is errors.AttentionError
