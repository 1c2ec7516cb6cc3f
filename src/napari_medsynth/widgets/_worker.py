"""A core generator in a worker thread, with its errors told to the user."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from typing import Any

from napari.qt.threading import GeneratorWorker, create_worker
from napari.utils.notifications import notification_manager

from napari_medsynth.errors import EngineError, MedSynthError

Steps = Callable[..., Generator[Any, None, Any]]
Slots = Mapping[str, Callable[..., None]]

_SIGNALS = ("yielded", "returned", "errored", "finished")

_log = logging.getLogger(__name__)

# napari waits for the workers when the application is quit. A script that ends without
# having run the event loop quits nothing: Python deletes the Qt objects of a thread
# that still works, and that ends the process with a crash. Qt's own clean-up, which was
# registered before, comes after this.
atexit.register(GeneratorWorker.await_workers)


class _ClosingWorker(GeneratorWorker):
    """A generator worker that runs the generator's ``finally`` when it is stopped."""

    def work(self) -> Any:
        try:
            return super().work()
        finally:
            self._gen.close()


def start_worker(steps: Steps, *args: Any, slots: Slots) -> GeneratorWorker:
    """Run ``steps(*args)`` in a thread and call `slots` in the GUI thread.

    Parameters
    ----------
    steps : callable
        A generator function of the core.
    *args
        Plain data, never layers.
    slots : mapping
        "yielded", "returned", "errored", "finished" to bound methods. Whatever happens,
        "finished" comes last, once.

    Returns
    -------
    GeneratorWorker
        Running. Its ``quit()`` stops `steps` at the next yield; napari calls it too
        when the window closes.
    """
    return create_worker(
        _without_runtime_errors,
        steps,
        *args,
        _connect=dict(slots),
        _worker_class=_ClosingWorker,
        _ignore_errors=True,  # `tell_error` shows them, once
    )


def let_go(worker: GeneratorWorker | None, *, stops: bool = True) -> None:
    """Hear nothing of a worker any more; it stops at its next yield, or goes on.

    None, a worker that has ended, or one whose signals Qt has deleted at the end of
    the session: nothing happens.
    """
    if worker is None:
        return
    if stops:
        worker.quit()
    for name in _SIGNALS:
        with suppress(RuntimeError, TypeError):  # deleted; nothing was connected
            getattr(worker, name).disconnect()


def tell_error(error: Exception) -> str:
    """Log an error with its traceback and give one sentence for the user.

    What was not raised on purpose is a bug: napari's notifications get it too. It is
    not raised again, because outside ``napari.run()`` that would end the process.
    """
    _log.error("A worker failed: %s", error, exc_info=error)
    if isinstance(error, MedSynthError):
        return _one_line(str(error))
    notification_manager.receive_error(type(error), error, error.__traceback__)
    return f"Unexpected {type(error).__name__}: {_one_line(str(error))}"


def _without_runtime_errors(steps: Steps, *args: Any) -> Generator[Any, None, Any]:
    # GeneratorWorker drops a RuntimeError: neither errored nor finished is emitted.
    # Out of memory, wrong shape, ...: nearly every torch error is a RuntimeError.
    try:
        return (yield from steps(*args))
    except RuntimeError as err:
        raise EngineError(f"The model failed: {_one_line(str(err))}") from err


def _one_line(message: str) -> str:
    """Give the first line that says something."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[0] if lines else "no message"
