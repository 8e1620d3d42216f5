"""Generation of one system: each image once, continued after a stop, in a new folder for other settings."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from styleroute.errors import ComfyError
from styleroute.evaluation.protocols.generating import GeneratingSystem, generate_trials
from styleroute.evaluation.protocols.style_expert import StyleProtocol, StyleTrial, style_trials
from styleroute.training.adapters.sharing import SharedWork


class Recorder:
    """Generates images of one colour, and notes the trials; fails at a chosen one."""

    def __init__(self, fails_at: str | None = None) -> None:
        self.generated, self.opened, self.fails_at = [], 0, fails_at

    @contextmanager
    def open(self) -> Iterator["Recorder"]:
        self.opened += 1
        yield self

    def __call__(self, trial: StyleTrial) -> Image.Image:
        if trial.name == self.fails_at:
            raise ComfyError("stopped")
        self.generated.append(trial.name)
        return Image.new("RGB", (8, 8), (trial.seed, 0, 0))


def system(recorder: Recorder, **settings) -> GeneratingSystem:
    return GeneratingSystem("Ours", settings, [], recorder.open, 64)


def test_a_stopped_run_continues_where_it_stopped(protocol: StyleProtocol) -> None:
    trials, work = style_trials(protocol), SharedWork()
    first, second, third = Recorder(fails_at=trials[3].name), Recorder(), Recorder()
    with pytest.raises(ComfyError):
        generate_trials(system(first), trials, protocol.output, [], work)
    folder = generate_trials(system(second), trials, protocol.output, [], work)
    assert first.generated == [trial.name for trial in trials[:3]]
    assert second.generated == [trial.name for trial in trials[3:]]
    generate_trials(system(third), trials, protocol.output, [], work)
    assert (third.generated, third.opened) == ([], 0)
    found = folder.find([trial.name for trial in trials])
    assert len(found) == 30
    assert Image.open(found[trials[1].name]).getpixel((0, 0)) == (trials[1].seed, 0, 0)


def test_other_settings_files_or_inputs_get_another_folder(protocol: StyleProtocol, tmp_path: Path) -> None:
    trials, work, weights = style_trials(protocol)[:1], SharedWork(), tmp_path / "weights"
    weights.write_bytes(b"1")

    def folder(inputs: list[Path] = [], **settings) -> Path:  # noqa: B006
        return generate_trials(
            replace(system(Recorder(), **settings), files=[weights]), trials, protocol.output, inputs, work
        ).path

    first = folder(steps=2)
    others = [folder(steps=3), folder([Path(trials[0].content)], steps=2)]
    weights.write_bytes(b"22")
    others.append(folder(steps=2))
    assert len({first, *others}) == 4
    assert first.name.startswith("ours-")
    assert json.loads((first / "settings.json").read_text(encoding="utf-8")) == {"steps": 2}


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_item_belongs_to_one_process(count: int) -> None:
    work, items = SharedWork(), list(range(5))
    work.count = count
    parts = []
    for work.index in range(count):
        parts.append(work.share(items))
    assert [item for part in parts for item in part] == items
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
