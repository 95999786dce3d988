"""Frames with true timestamps, in and out: files, cameras, arrays and colour traces. PyAV loads on first use."""

from perfuse.video.ahead import read_ahead
from perfuse.video.sample import area_mean
from perfuse.video.source import open_source
from perfuse.video.stream import FrameStream, SourceInfo, from_arrays
from perfuse.video.trace import TraceData, TraceStream, read_trace
from perfuse.video.write import write_video

__all__ = [
    "FrameStream",
    "SourceInfo",
    "TraceData",
    "TraceStream",
    "area_mean",
    "from_arrays",
    "open_source",
    "read_ahead",
    "read_trace",
    "write_video",
]
