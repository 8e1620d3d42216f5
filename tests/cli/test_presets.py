from dataclasses import dataclass

import pytest
import tyro
from styleroute.cli.presets import PresetCommand


@dataclass(frozen=True)
class Config:
    """Of nothing.

    Attributes:
        rank: of the experts.
    """

    rank: int = 8
    taps: tuple[int, ...] = (-2, -11)


SEEN: list[Config] = []


def run(config: Config) -> None:
    """Do nothing with a configuration."""
    SEEN.append(config)


COMMAND = PresetCommand(run, {"paper": Config(), "tiny": Config(rank=2)})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], Config()),
        (["--preset", "tiny"], Config(rank=2)),
        (["--preset=tiny", "--taps", "-1", "-3"], Config(2, (-1, -3))),
        (["--rank", "3", "--preset", "tiny"], Config(rank=3)),
    ],
)
def test_a_preset_gives_defaults_and_options_go_before_them(arguments: list[str], expected: Config) -> None:
    tyro.cli(COMMAND.chosen(arguments), args=arguments)
    assert SEEN.pop() == expected


def test_an_unknown_preset_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        tyro.cli(COMMAND.chosen(["--preset", "huge"]), args=["--preset", "huge"])
    shown = capsys.readouterr()
    assert all(name in shown.out + shown.err for name in ("paper", "tiny"))


def test_help_shows_the_presets_own_values(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        tyro.cli(COMMAND.chosen(["--preset", "tiny"]), args=["--preset", "tiny", "--help"])
    shown = capsys.readouterr().out
    assert "default: 2" in shown
    assert "of the experts" in shown
    assert "Do nothing with a configuration" in shown
