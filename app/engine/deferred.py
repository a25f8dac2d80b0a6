"""A job whose model is not in memory yet: it waits for the model first, and then for its turn in the queue."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from app import caller
from app.engine.job import Arrays, Finish, Job
from app.metrics import Lane

T = TypeVar("T")


class Deferred(Job[T]):
    """Ends as the job does that it becomes once its model is there, or before that: cancelled, or by `fail`.

    Its `timing` counts the wait for the model as time in the queue.
    """

    _job: Job[T] | None = None
    _spent = 0, 0.0

    def cancel(self) -> bool:
        """As `Job.cancel`, of both jobs."""
        cancelled = super().cancel()
        if cancelled and self._job is not None:
            self._job.cancel()
        return cancelled

    def keep(self) -> None:
        """As `Job.keep`, of both jobs."""
        super().keep()
        if (job := self._job) is not None:
            job.keep()

    def spent(self) -> tuple[int, float]:
        """As `Job.spent`, of the job that it became."""
        job = self._job
        return self._spent if job is None else job.spent()

    def enter(self, submit: Callable[[Arrays, float | None, Finish[T], Lane], Job[T]]) -> None:
        """Becomes the job that `submit` makes of inputs, deadline, finish and lane; what that raises ends this one."""
        # On the thread that brought the model, which is nobody's in particular.
        before = caller.current.set(self.caller)
        try:
            self._job = submit(self.inputs, self.deadline, self._finish, self.lane)
        except Exception as error:
            self.fail(error)
            return
        finally:
            caller.current.reset(before)
        self.inputs = {}
        # Whoever cancelled in the meantime did not find the job.
        if self.cancelled():
            self._job.cancel()
        self._job.add_done_callback(self._follow)

    def _follow(self, ended: Future[Any]) -> None:
        if (job := self._job) is not None:
            self._spent = job.spent()
        self._job = None
        if job is None or ended.cancelled() or not self._claim():
            return
        # In place: whoever asked may have a hold on it.
        mine, its = self.timing, job.timing
        mine.queue = its.queue + job.submitted - self.submitted
        mine.infer, mine.encode, mine.batches = its.infer, its.encode, its.batches
        if error := job.exception():
            self.set_exception(error)
        else:
            self.set_result(job.result())
