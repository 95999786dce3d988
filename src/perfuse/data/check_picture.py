"""The picture of a check: each reference over the pulse in the face, and the lags of a whole data set."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from perfuse.data.check import LATE_S, REACH_S, Check, Fit, Glance

MOST = 24
"""Recordings drawn; of more, those with the largest lags and the poorest fits."""
FACE, WAVE, WARN, MUTED = "#1f6f8b", "#c8553d", "#b3261e", "#6b7280"


def draw(check: Check, kind: str) -> bytes:
    """Return the picture of a check.

    Parameters
    ----------
    check : Check
        From :func:`perfuse.data.check.check`.
    kind : {'svg', 'png', 'pdf'}
        Of file.

    Returns
    -------
    bytes
        The same for the same check.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    glances = _chosen(check)
    fits = {(fit.recording, fit.reference): fit for fit in check.fits}
    lagged = [fit for fit in check.fits if fit.lag_s is not None]
    rows = max(len(glances), 1)
    settings: Any = {"svg.hashsalt": "perfuse", "svg.fonttype": "none", "font.size": 8}
    with mpl.rc_context(mpl.rcParamsDefault | settings):
        figure = Figure(figsize=(9, 1.6 + 0.75 * rows), layout="constrained")
        panels = figure.add_gridspec(rows, 2, width_ratios=(4, 1.3))
        for row, glance in enumerate(glances):
            axes = figure.add_subplot(panels[row, 0])
            _overlay(axes, glance, fits[glance.recording, glance.reference], last=row == rows - 1)
        if not glances:
            figure.add_subplot(panels[0, 0]).set(title="no reference wave to draw", xticks=[], yticks=[])
        _lags(figure.add_subplot(panels[:, 1]), lagged)
        buffer = io.BytesIO()
        dates: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
        figure.savefig(buffer, format=kind, dpi=130, metadata=dates[kind])
    return buffer.getvalue()


def _chosen(check: Check) -> list[Glance]:
    fits = {(fit.recording, fit.reference): fit for fit in check.fits}

    def trouble(glance: Glance) -> float:
        fit = fits[glance.recording, glance.reference]
        return abs(fit.lag_s or 0.0) + 2 * (1 - (fit.r or 0.0)) + 2 * (1 - (fit.quality or 0.0))

    worst = set(sorted(range(len(check.glances)), key=lambda i: -trouble(check.glances[i]))[:MOST])
    return [glance for i, glance in enumerate(check.glances) if i in worst]


def _overlay(axes: Any, glance: Glance, fit: Fit, *, last: bool) -> None:
    for wave, colour, label in ((glance.face, FACE, "face"), (glance.wave, WAVE, glance.reference)):
        height = float(abs(wave).max()) or 1.0
        axes.plot(glance.times_s, wave / height, color=colour, lw=1, label=label)
    told = [] if fit.lag_s is None else [f"lag {fit.lag_s:+.2f} s"]
    told += [] if fit.r is None else [f"r {fit.r:.2f}"]
    told += [] if fit.quality is None else [f"{100 * fit.quality:.0f} % looks like a pulse"]
    axes.set_title(f"{glance.recording}   {', '.join(told)}", loc="left", fontsize=8, pad=2)
    axes.set(yticks=[], xlim=(glance.times_s[0], glance.times_s[-1]))
    axes.spines[["top", "right", "left"]].set_visible(False)
    if last:
        axes.set_xlabel("time (s), ten seconds from the middle of each recording")
        axes.legend(loc="upper right", fontsize=7, frameon=False, ncols=2)


def _lags(axes: Any, fits: Sequence[Fit]) -> None:
    axes.axvspan(-LATE_S, LATE_S, color=MUTED, alpha=0.12, lw=0)
    axes.axvline(0, color=MUTED, lw=0.8)
    for row, fit in enumerate(fits):
        late = abs(fit.lag_s or 0.0) > LATE_S
        axes.plot([fit.lag_s], [row], "o", ms=4, color=WARN if late else FACE)
    reach = min(REACH_S, max([1.0, *(1.2 * abs(fit.lag_s or 0.0) for fit in fits)]))
    axes.set(xlim=(-reach, reach), ylim=(len(fits) - 0.5, -0.5), yticks=[], xlabel="lag of the reference (s)")
    axes.set_title("lags that stand out" if fits else "no lag stands out", fontsize=8)
    axes.spines[["top", "right", "left"]].set_visible(False)
