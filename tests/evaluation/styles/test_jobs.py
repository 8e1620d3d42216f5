"""Each image is generated once; the generator is a stand-in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from styleroute.evaluation.generated_images import generate_missing
from styleroute.evaluation.styles.jobs import StyleJob, style_jobs
from styleroute.evaluation.styles.methods import StyleMethod


class FakeGenerator:
    """Records its jobs and how often it was opened; raises KeyboardInterrupt before image `stop`."""

    def __init__(self, stop: int = 10**9) -> None:
        self.jobs: list[StyleJob] = []
        self.opened, self._stop = 0, stop

    @contextmanager
    def __call__(self) -> Iterator:
        self.opened += 1
        yield self._generate

    def _generate(self, job: StyleJob) -> Image.Image:
        if len(self.jobs) == self._stop:
            raise KeyboardInterrupt
        self.jobs.append(job)
        return Image.new("RGB", (8, 8), (job.seed, 0, 0))


@pytest.fixture
def jobs(triplets, write_moe) -> list[StyleJob]:
    return style_jobs(StyleMethod("MoE", write_moe(), "pooled-latents"), triplets[:2], seeds=2)


def test_each_triplet_is_generated_with_each_seed(jobs, tmp_path: Path) -> None:
    generator = FakeGenerator()
    files = generate_missing(jobs, tmp_path / "out", generator)
    assert (generator.jobs, generator.opened) == (jobs, 1)
    assert [Image.open(files[job]).getpixel((0, 0))[0] for job in jobs] == [0, 1, 0, 1]
    assert len(set(files.values())) == 4


def test_an_interrupted_run_continues_and_a_finished_run_opens_nothing(jobs, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        generate_missing(jobs, tmp_path / "out", FakeGenerator(stop=3))
    rest, none = FakeGenerator(), FakeGenerator()
    generate_missing(jobs, tmp_path / "out", rest)
    generate_missing(jobs, tmp_path / "out", none)
    assert rest.jobs == jobs[3:]
    assert (none.jobs, none.opened) == ([], 0)


def test_other_weights_images_and_prompts_are_generated_again(jobs, triplets, write_moe, tmp_path) -> None:
    generate_missing(jobs, tmp_path / "out", FakeGenerator())
    content = jobs[0].content
    Image.new("RGB", (64, 64), "gray").save(content)
    for_other_content = FakeGenerator()
    generate_missing(style_jobs(jobs[0].method, triplets[:2], seeds=2), tmp_path / "out", for_other_content)
    assert {job.content for job in for_other_content.jobs} == {content}
    retrained = StyleMethod("MoE", write_moe(seed=1), "pooled-latents")
    again = FakeGenerator()
    generate_missing(style_jobs(retrained, triplets[:2], seeds=2), tmp_path / "out", again)
    assert len(again.jobs) == 4
    [job] = style_jobs(retrained, triplets[:1], seeds=1)
    changes = ({"prompt": "another prompt"}, {"side": 512}, {"reference": content})
    assert len({job.file_name, *(replace(job, **change).file_name for change in changes)}) == 4
