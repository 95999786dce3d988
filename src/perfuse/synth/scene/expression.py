"""Expressions: what a face does locally, as a few deformations of head coordinates and their course in time.

A mode moves skin by at most some millimetres (1 head unit is 70 mm). Fields are smooth, so that a picture can be
resampled through them; what they uncover, the dark of an open mouth, is painted by
:func:`perfuse.synth.person.paint.paint_head` with ``open_mouth``.
"""

from __future__ import annotations

import numpy as np

from perfuse.core.errors import UsageError
from perfuse.synth.fields import F64, Field, bump, smoothstep
from perfuse.synth.person.look import Look
from perfuse.synth.person.shape import chin_y, lower, mouth_y, nose_y

MODES = ("jaw", "smile", "brows", "lips")
"""The jaw drops, the corners of the mouth rise, the brows rise, the lips purse; each 0 (rest) to 1 (full)."""

EXPRESSIONS = ("none", "neutral", "talk", "lively")
"""Nothing; a calm face; somebody who speaks; somebody who speaks, smiles and frowns a lot."""

JAW = 0.17
"""Drop of the chin at full opening, in head units: 12 mm (ASSUMED)."""

MOUTH_OPENS = 0.9
"""Opening of the lips (``open_mouth`` of the painter) per unit of the jaw, less what pursed lips close."""

SQUEEZE = (0.0, 0.03, 0.02, 0.03)
"""How much blood each mode presses out of the skin that it strains, as a share: 0 to 3 % (ASSUMED)."""


def modes(look: Look, x: Field, y: Field) -> Field:
    """Where each mode moves the points of a face.

    Parameters
    ----------
    look : Look
        Whose face.
    x, y : ndarray, (...)
        Head coordinates at rest.

    Returns
    -------
    ndarray, float32, (K, 2, ...)
        Displacement to the right and down in head units per unit of activation, for each of :data:`MODES`. A point
        at ``p`` is seen at ``p + sum_k a_k d_k(p)``; to resample a picture, look up ``p - sum_k a_k d_k(p)``.
    """
    x, y = (np.asarray(v, np.float32) for v in np.broadcast_arrays(x, y))
    low, mouth, chin, base = lower(look), mouth_y(look), chin_y(look), nose_y(look)
    side = np.sign(x)
    out = np.zeros((len(MODES), 2, *x.shape), np.float32)
    within = smoothstep(1.15, 0.80, np.abs(x))
    # The jaw hangs from the ears: nothing above the nose moves, the chin moves most, the neck folds.
    hang = smoothstep(base - 0.05, mouth + 0.30 * low, y) * smoothstep(chin + 0.55, chin - 0.05, y)
    wide = np.exp(-((x / 0.75) ** 4))
    out[0, 1] = JAW * hang * wide
    out[0, 0] = -0.02 * x * hang * wide
    corner = 0.36 * look.mouth
    pull = bump(np.abs(x), y, (corner, mouth), (0.20, 0.17 * low))
    cheek = bump(np.abs(x), y, (0.52, mouth - 0.42 * low), (0.22, 0.22 * low))
    out[1, 0] = side * 0.055 * pull * smoothstep(0.0, 0.15, np.abs(x))
    out[1, 1] = -(0.045 * pull + 0.030 * cheek) * within
    lift = bump(np.abs(x), y, (0.40, -0.30), (0.40, 0.16)) + 0.5 * bump(x, y, (0.0, -0.55), (0.6, 0.25))
    out[2, 1] = -0.060 * lift * within
    purse = bump(x, y, (0.0, mouth), (0.30, 0.15 * low))
    out[3, 0] = -0.22 * x * purse
    out[3, 1] = -0.05 * (y - mouth) * purse
    return out


def strain(look: Look, x: Field, y: Field) -> Field:
    """Share of blood that each mode presses out of the skin, (K, ...), 0 to 0.03 per unit of activation."""
    field = modes(look, x, y)
    moved = np.sqrt((field * field).sum(axis=1))
    peak = np.array([np.max(m, initial=1e-6) for m in moved], np.float32).reshape(-1, *(1,) * (moved.ndim - 1))
    share = np.array(SQUEEZE, np.float32).reshape(peak.shape)
    return np.asarray(share * moved / peak, np.float32)


def open_mouth(acts: F64) -> F64:
    """How far the lips are apart, 0..1, at activations (..., K)."""
    jaw, purse = acts[..., MODES.index("jaw")], acts[..., MODES.index("lips")]
    return np.asarray(np.clip(MOUTH_OPENS * jaw * (1.0 - 0.4 * purse) - 0.03, 0.0, 1.0))


def express(rng: np.random.Generator, times_s: F64, kind: str) -> F64:
    """Activation of each mode at the times of the frames, (T, K), 0 to 1.

    Speech comes in phrases of 2 to 8 s with pauses of 1 to 3 s; in a phrase the jaw opens with each syllable, 3 to 6
    a second, by 0 to 12 mm, the lips purse on some. Smiles, raised brows and pressed lips come 3 to 10 times a minute
    on a lively face, less and weaker on a calm one, and last 0.3 to 3 s (all ASSUMED).

    Parameters
    ----------
    rng : Generator
        Source of chance.
    times_s : ndarray, (T,)
        Seconds, ascending.
    kind : str
        One of :data:`EXPRESSIONS`.

    Raises
    ------
    UsageError
        If there is no such kind.
    """
    if kind not in EXPRESSIONS:
        raise UsageError(f"There is no expression called {kind!r}.", f"Available: {', '.join(EXPRESSIONS)}.")
    out = np.zeros((len(times_s), len(MODES)))
    if kind == "none" or not len(times_s):
        return out
    speech, smile, brows, press = rng.spawn(4)
    if kind in ("talk", "lively"):
        _speak(speech, times_s, out)
    per_minute, size = {"neutral": (2.0, 0.25), "talk": (4.0, 0.4), "lively": (9.0, 0.8)}[kind]
    _events(smile, times_s, out[:, 1], per_minute, size, (0.8, 4.0))
    _events(brows, times_s, out[:, 2], per_minute, size, (0.3, 1.5))
    _events(press, times_s, out[:, 3], 0.5 * per_minute, 0.6 * size, (0.3, 1.2))
    return np.asarray(np.clip(out, 0.0, 1.0))


def _speak(rng: np.random.Generator, times_s: F64, out: F64) -> None:
    """Add phrases of syllables to jaw and lips."""
    loud = float(rng.uniform(0.25, 0.7))
    start = float(times_s[0]) - float(rng.uniform(0.0, 4.0))
    while start < times_s[-1]:
        phrase, pause, pace = (float(v) for v in rng.uniform([2.0, 1.0, 3.0], [8.0, 3.0, 6.0]))
        count = int(phrase * pace)
        lengths = np.clip(1.0 + 0.25 * rng.standard_normal(count), 0.4, 2.0) / pace
        opening = np.clip(loud * np.exp(0.5 * rng.standard_normal(count)), 0.0, 1.0)
        rounded = rng.uniform(0.0, 1.0, count) ** 3
        begin = start + np.cumsum(lengths) - lengths
        for first, length, jaw, purse in zip(begin, 1.25 * lengths, opening, rounded, strict=True):
            i, j = np.searchsorted(times_s, (first, first + length))
            swell = 0.5 - 0.5 * np.cos(2.0 * np.pi * (times_s[i:j] - first) / length)
            out[i:j, 0] += jaw * swell
            out[i:j, 3] = np.maximum(out[i:j, 3], 0.7 * purse * swell)
        start += phrase + pause


def _events(
    rng: np.random.Generator, times_s: F64, out: F64, per_minute: float, size: float, span: tuple[float, float]
) -> None:
    """Add events that rise, stay and fade."""
    at = float(times_s[0]) - span[1]
    while True:
        at += float(rng.exponential(60.0 / per_minute))
        length, height = float(rng.uniform(*span)), size * float(rng.uniform(0.3, 1.0))
        if at >= times_s[-1]:
            return
        i, j = np.searchsorted(times_s, (at, at + length))
        phase = (times_s[i:j] - at) / length
        out[i:j] = np.maximum(out[i:j], height * smoothstep(0.0, 0.25, phase) * smoothstep(1.0, 0.6, phase))
