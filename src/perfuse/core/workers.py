"""Work side by side in processes of its own, each result as soon as it is there."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from perfuse.core.errors import OutputError

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(work: Callable[[T], R], items: Sequence[T], jobs: int) -> Generator[tuple[T, R], None, None]:
    """Yield (item, result) in the order in which they are done.

    Parameters
    ----------
    work : callable
        Can be pickled, and so can items and results. It raises only where everything should stop.
    items : sequence
        What to work on.
    jobs : int
        Processes; with 1 (or one item) all is done in this one.

    Raises
    ------
    OutputError
        If a process was killed, or whatever ``work`` raises.
    """
    if jobs <= 1 or len(items) <= 1:
        for item in items:
            yield item, work(item)
        return
    before = set(multiprocessing.active_children())
    # Fresh interpreters: the threads of this one must not be forked.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(jobs, len(items)), mp_context=context, initializer=_follow_parent)
    try:
        waiting = {pool.submit(work, item): item for item in items}
        for future in as_completed(waiting):
            yield waiting.pop(future), future.result()
    except BrokenProcessPool as error:
        raise OutputError(
            "A working process was killed.", "If memory ran out, pass fewer --jobs; what is whole is kept."
        ) from error
    except BaseException:
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _follow_parent() -> None:
    """Leave Ctrl-C to the parent, and end when it ends, however that comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def alive(process: int) -> bool:
    """Tell whether a process of this number runs."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, SystemError):  # somebody else's, or a system that does not tell
        return True
    return True
