"""Decode the next frames while the last ones are being measured."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from queue import Queue

from perfuse.core.frame import Frame

MOST_FRAMES = 12
MOST_BYTES = 24_000_000
"""What may wait: twelve frames of 640 x 480, two of 4K."""


def read_ahead(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Yield the same frames in the same order, decoded in a thread of their own.

    Decoding and measuring then overlap: on two cores a file is done about a fifth sooner. Not for cameras, whose
    frames should not wait.

    Parameters
    ----------
    frames : iterable of Frame
        Read in the other thread, to its end or until this iterator is closed; what it raises is raised here.
    """
    ready: Queue[Frame | BaseException | None] = Queue()
    room = threading.Semaphore(2)
    left = threading.Event()

    def work() -> None:
        widened = False
        try:
            for frame in frames:
                if not widened:
                    size = sum(plane.nbytes for plane in frame.planes)
                    for _ in range(max(0, min(MOST_FRAMES, MOST_BYTES // max(size, 1)) - 2)):
                        room.release()
                    widened = True
                room.acquire()
                if left.is_set():
                    return
                ready.put(frame)
            ready.put(None)
        except BaseException as error:  # whatever it is, it belongs to whoever asked for the frames
            ready.put(error)

    thread = threading.Thread(target=work, name="perfuse-decode", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            room.release()
            yield item
    finally:
        left.set()
        room.release()
        thread.join()
