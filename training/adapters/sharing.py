"""Shares independent work, such as images to generate, among the processes of `accelerate launch`."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from .running import one_fills_the_caches, start_accelerator

Item = TypeVar("Item")


class SharedWork:
    """This process's part of the work. Without `accelerate launch` there is one process, which does everything.

    Attributes:
        index: number of this process, from 0.
        count: number of processes.
        device: device of this process, such as "cuda:1" or "cpu".
    """

    def __init__(self) -> None:
        self._accelerator = start_accelerator("no")
        self.index, self.count = self._accelerator.process_index, self._accelerator.num_processes
        self.device = str(self._accelerator.device)

    @property
    def is_first(self) -> bool:
        """Whether this process writes and prints what all processes have in common."""
        return self._accelerator.is_main_process

    def first_process_first(self) -> AbstractContextManager[None]:
        """A block that the first process runs before the others, which then find its files."""
        return one_fills_the_caches(self._accelerator)

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """The consecutive items of this process; every item belongs to exactly one process.

        All processes must call this with equal items. Nobody gets a part before all processes have called it, so a
        process cannot list its items after another one has already finished some.
        """
        self._accelerator.wait_for_everyone()
        start, end = (len(items) * index // self.count for index in (self.index, self.index + 1))
        return items[start:end]

    def wait(self) -> None:
        """Wait until all processes have come here."""
        self._accelerator.wait_for_everyone()
