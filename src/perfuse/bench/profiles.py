"""Ways of scoring, by name: what each does to prediction and label, and one function that does it.

Numbers of different profiles are not comparable: one rounds to bins of several beats a minute, another filters only
the prediction. The name of the profile belongs beside every number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from perfuse.bench import default, physbench, toolbox
from perfuse.bench import reference as ref
from perfuse.bench.rows import Prediction, Row, finite
from perfuse.bench.windows import WHOLE, Cut, seconds
from perfuse.core.errors import UsageError
from perfuse.data.recording import Signal

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Profile:
    """A way of scoring.

    Attributes
    ----------
    name : str
        As given to :func:`profile`.
    what : str
        One sentence for a table's caption.
    source : str
        Where the rules come from.
    band_hz, breathing_band_hz : tuple of float
        Where rates may lie. None for breathing: the profile does not know it.
    cuts : tuple of Cut
        Windows.
    read : {'vital', 'peak', 'fft', 'peaks', 'welch'}
        How a rate is read off: the pipeline's own value, the interpolated spectral peak, the highest bin of the
        padded FFT, the mean distance of peaks, the highest bin of Welch's spectrum.
    label : {'clock', 'index', 'spline'}
        How the reference meets the frames: each on its own clock; stretched to the number of frames by index; by a
        spline at the frames' times.
    """

    name: str
    what: str
    source: str
    band_hz: tuple[float, float]
    breathing_band_hz: tuple[float, float] | None
    cuts: tuple[Cut, ...]
    read: Literal["vital", "peak", "fft", "peaks", "welch"]
    label: Literal["clock", "index", "spline"]


_TOOLBOX = Profile(
    "toolbox",
    "as the rPPG-Toolbox scores: label and prediction filtered alike, rate from FFT bins",
    "ubicomplab/rPPG-Toolbox d807b01",
    toolbox.BAND_HZ,
    toolbox.BREATHING_BAND_HZ,
    (WHOLE,),
    "fft",
    "index",
)

_DEFAULT = Profile(
    "default",
    "by timestamps; reference rates from beats, ECG or contact pulse, checked; nothing rounded to bins",
    "perfuse",
    ref.HEART_BAND_HZ,
    ref.BREATHING_BAND_HZ,
    default.CUTS,
    "vital",
    "clock",
)

PROFILES: dict[str, Profile] = {
    p.name: p
    for p in (
        _DEFAULT,
        replace(
            _DEFAULT,
            name="peak",
            what="as default, but the rate is the highest peak of the wave's spectrum, to be trusted or not: the "
            "method alone, without what perfuse makes of it",
            read="peak",
        ),
        _TOOLBOX,
        replace(
            _TOOLBOX,
            name="toolbox-2023",
            what="as the rPPG-Toolbox's paper scores: as toolbox, in 0.75 to 2.5 Hz",
            source="Liu et al., rPPG-Toolbox, NeurIPS 2023",
            band_hz=toolbox.BAND_2023_HZ,
        ),
        Profile(
            "physbench",
            "as PhysBench scores: prediction filtered, label not, rate from a fine Welch spectrum",
            "KegangWangCCNU/PhysBench, code as of December 2023",
            physbench.RANGE_HZ,
            None,
            (WHOLE, seconds(physbench.WINDOW_S, physbench.STEP_S)),
            "welch",
            "spline",
        ),
    )
}


def profile(
    name: str,
    *,
    read: Literal["vital", "peak", "fft", "peaks", "welch"] | None = None,
    cuts: tuple[Cut, ...] | None = None,
) -> Profile:
    """Return a profile of :data:`PROFILES`, with other windows or another reading where these are given.

    Raises
    ------
    UsageError
        If there is no such profile, or it cannot read rates that way.
    """
    if name not in PROFILES:
        raise UsageError(f"There is no scoring profile called {name!r}.", f"Available: {', '.join(PROFILES)}.")
    found = PROFILES[name]
    ways = {"clock": ("vital", "peak"), "index": ("fft", "peaks"), "spline": ("welch",)}[found.label]
    if read is not None and read not in ways:
        raise UsageError(f"The profile {name!r} cannot read rates by {read!r}.", f"It can by: {', '.join(ways)}.")
    if cuts is not None and found.label == "spline" and set(cuts) - set(found.cuts):
        raise UsageError("The profile 'physbench' has windows of its own.", f"Available: {names(found.cuts)}.")
    if cuts is not None and found.label == "index" and any(c.hop_s not in (None, c.length_s) for c in cuts):
        raise UsageError(f"Windows of the profile {name!r} cannot overlap.", "Leave the hop out.")
    return replace(found, read=read or found.read, cuts=found.cuts if cuts is None else cuts)


def names(cuts: tuple[Cut, ...]) -> str:
    """Return the names of some cuts, for a message."""
    return ", ".join(cut.name for cut in cuts)


def score(
    how: Profile | str,
    prediction: Prediction,
    signals: Mapping[str, Signal],
    *,
    rate_hz: float | None = None,
    span_s: tuple[float, float] | None = None,
    references: ref.References | None = None,
    waves: bool = True,
) -> tuple[Row, ...]:
    """Score what one method says of one recording.

    Parameters
    ----------
    how : Profile or str
        From :func:`profile`, or a name.
    prediction : Prediction
        What the method said.
    signals : mapping of str to Signal
        The recording's references.
    rate_hz : float or None
        Frames per second that the Toolbox's settings would state; None: that of the prediction, to a whole number.
    span_s : tuple of float or None
        First and last time of the video, for ``default``.
    references : References or None
        :func:`perfuse.bench.reference.prepare` of the signals, if at hand: saves doing it for every method.
    waves : bool
        Whether ``default`` compares waves too.

    Returns
    -------
    tuple of Row
        Without dataset, recording, subject and method, which the caller knows. Profiles that need a wave give one row
        without numbers, with the reason, where there is none.
    """
    how = profile(how) if isinstance(how, str) else how
    if how.label == "clock":
        read: default.Read = "peak" if how.read == "peak" else "vital"
        known = references or ref.prepare(signals)
        return default.score(prediction, known, span_s=span_s, cuts=how.cuts, read=read, waves=waves)
    rows = list(_published(how, "heart_rate", prediction, signals, rate_hz))
    if how.breathing_band_hz is not None and (prediction.respiration is not None or "respiration" in signals):
        rows.extend(_published(how, "respiratory_rate", prediction, signals, rate_hz))
    return tuple(rows)


def _published(
    how: Profile, vital: str, prediction: Prediction, signals: Mapping[str, Signal], rate_hz: float | None
) -> tuple[Row, ...]:
    heart = vital == "heart_rate"
    wave = prediction.pulse if heart else prediction.respiration
    name = "respiration" if not heart else "pulse" if "pulse" in signals else "blood_pressure"
    label = signals.get(name)
    missing = None if wave is not None and len(wave) > 1 else "the method gives no wave"
    known = 0 if label is None else int(np.isfinite(label.values).sum())
    why = None if known >= 4 else f"there is no wave to compare with ({known} samples)"
    if wave is None or label is None or missing or why:
        start, stop = (0.0, 0.0) if wave is None or not len(wave) else (wave.times_s[0], wave.times_s[-1])
        # these scorers cut their windows from the prediction, and put the label through the same windows
        missing, why = missing or "there is nothing to score it against", why or "the prediction has no windows"
        return tuple(
            Row(vital, "/min", cut.name, float(start), float(stop), reason=missing, reference_reason=why)
            for cut in how.cuts
        )
    # a gap would turn every number of these scorers into nan, or worse, into the lowest rate of the band
    wave, gaps = _filled(wave, "prediction")
    label, holes = _filled(label, "label")
    if how.label == "index":
        rows = _toolbox(how, vital, wave, label, rate_hz, prediction.differenced)
    else:
        rows = _physbench(how, wave, label, prediction.differenced)
    return tuple(
        replace(row, source=name, note="; ".join(s for s in (gaps, holes, row.note) if s) or None) for row in rows
    )


def _filled(wave: Signal, what: str) -> tuple[Signal, str | None]:
    """Bridge what is missing in a wave by straight lines, and say how much that is."""
    known = np.isfinite(wave.values)
    if known.all() or not known.any():
        return Signal(wave.times_s, np.where(known, wave.values, 0.0)), None if known.any() else f"no {what}"
    values = np.interp(wave.times_s, wave.times_s[known], wave.values[known])
    return Signal(wave.times_s, values), f"{100 * np.mean(~known):.0f} % of the {what} is missing and bridged"


def stretched(label: NDArray[np.floating], count: int) -> Floats:
    """Stretch a label to a number of frames by index, straight lines between samples, as the Toolbox's loaders do."""
    values = np.asarray(label, np.float64)
    return np.interp(np.linspace(1, len(values), count), np.arange(1, len(values) + 1), values)


def _toolbox(
    how: Profile, vital: str, wave: Signal, label: Signal, rate_hz: float | None, differenced: bool
) -> list[Row]:
    band = how.band_hz if vital == "heart_rate" or how.breathing_band_hz is None else how.breathing_band_hz
    true = stretched(label.values, len(wave))
    if differenced:
        # what a network is trained on there: differences over their spread, and a 0 at the end
        change = np.diff(true)
        spread = float(change.std())
        true = np.append(change / spread if spread > 0 else 0 * change, 0.0)
    fs = rate_hz or max(float(round((len(wave) - 1) / (wave.times_s[-1] - wave.times_s[0]))), 1.0)
    rows = []
    for cut in how.cuts:
        scored = toolbox.score_pair(
            wave.values, true, fs, differenced=differenced, window_s=cut.length_s, band_hz=band,
            read="peak" if how.read == "peaks" else "fft",
        )  # fmt: skip
        for w in scored:
            why = (w.note or "the Toolbox gives nan") if w.stops else None
            rows.append(
                Row(
                    vital, "/min", cut.name, float(wave.times_s[w.start]), float(wave.times_s[w.stop - 1]),
                    reference=finite(w.label),
                    prediction=finite(w.prediction),
                    reason=why or (None if np.isfinite(w.prediction) else "fewer than two peaks"),
                    reference_reason=why or (None if np.isfinite(w.label) else "fewer than two peaks"),
                    snr_db=finite(w.snr_db), macc=finite(w.macc), note=None if w.stops else w.note,
                )
            )  # fmt: skip
    return rows


def _physbench(how: Profile, wave: Signal, label: Signal, differenced: bool) -> list[Row]:
    values = np.cumsum(wave.values) if differenced else wave.values
    true = physbench.label_at(label.times_s, label.values, wave.times_s)
    rows = []
    for cut in how.cuts:
        for w in physbench.score_pair(values, true, wave.times_s, sliding=cut.length_s is not None):
            stops = w.note if not np.isfinite(w.label) else None
            rows.append(
                Row(
                    "heart_rate", "/min", cut.name, float(wave.times_s[w.start]), float(wave.times_s[w.stop - 1]),
                    reference=finite(w.label), prediction=finite(w.prediction),
                    reason=stops, reference_reason=stops, note=None if stops else w.note,
                )
            )  # fmt: skip
    return rows
