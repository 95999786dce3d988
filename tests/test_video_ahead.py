"""Reading ahead changes when frames are decoded, and nothing else."""

import threading
import time

import numpy as np
import pytest

from media import clip, encode, steady
from perfuse.core.errors import SourceError
from perfuse.core.frame import Frame
from perfuse.video import open_source, read_ahead
from perfuse.video.ahead import MOST_BYTES, MOST_FRAMES


def frames(count, size=(4, 4), made=None):
    for k in range(count):
        if made is not None:
            made.append(k)
        yield Frame.from_rgb(np.full((*size, 3), k % 256, np.uint8), k / 30)


def alive():
    return [t for t in threading.enumerate() if t.name == "perfuse-decode"]


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_the_same_frames_in_the_same_order(count):
    assert [f.time_s for f in read_ahead(frames(count))] == [f.time_s for f in frames(count)]
    assert not alive()


def test_a_file_gives_the_same_pictures(tmp_path):
    path = encode(tmp_path / "a.mp4", clip(40), steady(40))
    with open_source(path) as stream:
        plain = [(f.time_s, f.rgb().tobytes()) for f in stream]
    with open_source(path) as stream:
        assert [(f.time_s, f.rgb().tobytes()) for f in read_ahead(stream)] == plain


def test_an_error_arrives_where_the_frames_are_asked_for():
    def failing():
        yield from frames(3)
        raise SourceError("The file broke off.")

    seen = []
    with pytest.raises(SourceError, match="broke off"):
        seen.extend(read_ahead(failing()))
    assert not alive()


def test_who_stops_early_leaves_no_thread_behind():
    reader = read_ahead(frames(10_000))
    next(reader)
    reader.close()
    assert not alive()


@pytest.mark.parametrize(("size", "most"), [((4, 4), MOST_FRAMES), ((1200, 1600), MOST_BYTES // (1200 * 1600 * 3))])
def test_only_so_much_waits(size, most):
    made = []
    reader = read_ahead(frames(40, size, made))
    next(reader)
    while len(made) < most:
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(made) <= most + 2  # one in hand, one wanting in
    reader.close()
