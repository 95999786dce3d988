"""One scale of compression for every codec: that of x264's crf."""

from __future__ import annotations

from perfuse.core.errors import UsageError

STAND_INS = {"h264": "h264", "webcam": "h264", "mpeg4": "mpeg4", "mjpeg": "mjpeg"}
"""The stand-in (:mod:`.codec`) for each real codec (:mod:`.encoders`)."""


def quantiser(codec: str, strength: float) -> float:
    """Return the quantiser of a codec's stand-in at a strength on the scale of crf, 0 to 51.

    MPEG-4 and MJPEG step in units of 2 q where H.264 steps by ``2 ** ((qp - 4) / 6)``; equal steps, equal strength.
    """
    if codec not in STAND_INS:
        raise UsageError(f"There is no codec called {codec!r}.", f"Available: {', '.join(STAND_INS)}.")
    if STAND_INS[codec] == "h264":
        return strength
    return float(min(max(0.5 * 2.0 ** ((strength - 4.0) / 6.0), 2.0), 31.0))


def bit_rate(strength: float, height: int, width: int, rate_hz: float) -> float:
    """Kilobits per second at which a webcam's encoder is about as coarse as a crf.

    From one clip: 1.5 Mb/s at 640 x 480 and 30 Hz does what crf 26 does, 0.5 Mb/s what crf 32 does.
    """
    return float(max(20.0, 1500.0 * 2.0 ** ((26.0 - strength) / 3.8) * height * width / (640 * 480) * rate_hz / 30.0))
