"""Images are painted once; what paints them is a stand-in here."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from styleroute.evaluation.painting import paint_all
from styleroute.evaluation.styles.methods import Method
from styleroute.evaluation.styles.painting import Job, jobs_of


class FakePaint:
    """Counts what it paints and how often it was made ready; stops before image `stop`."""

    def __init__(self, stop: int = 10**9) -> None:
        self.jobs: list[Job] = []
        self.opened, self._stop = 0, stop

    @contextmanager
    def __call__(self) -> Iterator:
        self.opened += 1
        yield self._paint

    def _paint(self, job: Job) -> Image.Image:
        if len(self.jobs) == self._stop:
            raise KeyboardInterrupt
        self.jobs.append(job)
        return Image.new("RGB", (8, 8), (job.seed, 0, 0))


@pytest.fixture
def jobs(triplets, write_moe) -> list[Job]:
    return jobs_of(Method("MoE", write_moe(), "pooled-latents"), triplets[:2], seeds=2)


def test_each_triplet_is_painted_with_each_seed(jobs, tmp_path: Path) -> None:
    paint = FakePaint()
    painted = paint_all(jobs, tmp_path / "out", paint)
    assert (paint.jobs, paint.opened) == (jobs, 1)
    assert [Image.open(painted[job]).getpixel((0, 0))[0] for job in jobs] == [0, 1, 0, 1]
    assert len(set(painted.values())) == 4


def test_a_stopped_run_goes_on_and_a_finished_one_opens_nothing(jobs, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        paint_all(jobs, tmp_path / "out", FakePaint(stop=3))
    rest, none = FakePaint(), FakePaint()
    paint_all(jobs, tmp_path / "out", rest)
    paint_all(jobs, tmp_path / "out", none)
    assert rest.jobs == jobs[3:]
    assert (none.jobs, none.opened) == ([], 0)


def test_other_weights_other_images_and_other_prompts_are_painted_anew(jobs, triplets, write_moe, tmp_path) -> None:
    paint_all(jobs, tmp_path / "out", FakePaint())
    content = jobs[0].content
    Image.new("RGB", (64, 64), "gray").save(content)
    of_other_content = FakePaint()
    paint_all(jobs_of(jobs[0].method, triplets[:2], seeds=2), tmp_path / "out", of_other_content)
    assert {job.content for job in of_other_content.jobs} == {content}
    retrained = Method("MoE", write_moe(seed=1), "pooled-latents")
    anew = FakePaint()
    paint_all(jobs_of(retrained, triplets[:2], seeds=2), tmp_path / "out", anew)
    assert len(anew.jobs) == 4
    asked = Job(retrained, content, jobs[0].style, "another prompt", 0)
    assert asked.name != jobs_of(retrained, triplets[:1], seeds=1)[0].name
