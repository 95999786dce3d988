"""Can a classifier tell the real clip from rendered ones? As honestly as one real clip allows.

A classifier that has seen a part of the one real clip knows that man, his room and his phone: it will recognise the
rest whatever the simulator does. So the same question is asked about every rendered person in turn ("is this part
of *his* clip, or of anybody else's?"). Only if the real clip is easier to recognise than nearly all rendered ones
does it differ in kind. With one real clip no more can be said, and nothing about other people or cameras.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .look import PARTS, thirds
from .numbers import RATE_HZ, on_grid, percent, slow_basis, spectrum

BANDS_HZ = ((0.67, 1.5), (1.5, 3.0), (3.0, 6.0), (6.0, 10.0), (10.0, 14.5))
KINDS = {"spectrum": "ROI", "colour": "level", "noise": "pixel"}


def features(found: dict[str, Any]) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Return (9, K) numbers of each third of a clip and part of the face, their names, and the third of each row."""
    seen, rows, which = found["look"], [], []
    for number, third in enumerate(thirds(len(seen.times_s))):
        for part in range(3):
            row = _spectral(seen, third, part) | _coloured(seen, third, part) | _grainy(seen, number, part)
            rows.append(list(row.values()))
            which.append(number)
    return np.array(rows), list(row), np.array(which)


def _spectral(seen, third, part):
    times = seen.times_s[third] - seen.times_s[third[0]]
    series = percent(on_grid(times, seen.followed[third, part]))
    basis = slow_basis(len(series), times[-1])
    rest = series - basis @ np.linalg.lstsq(basis, series, rcond=None)[0]
    freq, density = spectrum(rest, RATE_HZ)
    out = {}
    for low, high in BANDS_HZ:
        some = (freq >= low) & (freq < high)
        power = np.log10(density[some].mean(axis=0) + 1e-9)
        out[f"ROI green {low:g}-{high:g} Hz"] = power[1]
        if high <= 3.0:
            out[f"ROI red/green {low:g}-{high:g} Hz"] = power[0] - power[1]
            out[f"ROI blue/green {low:g}-{high:g} Hz"] = power[2] - power[1]
    return out


def _coloured(seen, third, part):
    red, green, blue = seen.followed[third, part].mean(axis=0)
    return {
        "level": np.log(green),
        "level red/green": np.log(red / green),
        "level blue/green": np.log(blue / green),
        "level spread": np.log(seen.spread[part, 1] / seen.colour[part, 1]),
    }


def _grainy(seen, number, part):
    noise = seen.noise_thirds[number]
    sd, acf = noise["sd"][part], noise["acf"][part]
    return {
        "pixel sd": np.log(sd[1]),
        "pixel red/green": np.log(sd[0] / sd[1]),
        "pixel blue/green": np.log(sd[2] / sd[1]),
        "pixel gain": np.log(sd[1] / noise["mean"][part, 1]),
        "pixel acf 1": acf[0],
        "pixel acf 2": acf[1],
        "pixel acf 4": acf[3],
        "pixel R-G correlation": noise["red_green"][part],
    }


def recognised(clips: list[np.ndarray], thirds_of: np.ndarray, one: int) -> tuple[float, float]:
    """How well clip ``one`` is told from the others: balanced accuracy and area under the curve, third by third.

    Trained on two thirds of every clip, tested on the remaining third of every clip.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.preprocessing import StandardScaler

    x = np.concatenate(clips)
    y = np.repeat(np.arange(len(clips)) == one, len(clips[0]))
    third = np.tile(thirds_of, len(clips))
    score = np.zeros(len(x))
    for left in range(3):
        train = third != left
        scale = StandardScaler().fit(x[train])
        model = LogisticRegression(C=0.1, class_weight="balanced", max_iter=500)
        model.fit(scale.transform(x[train]), y[train])
        score[~train] = model.decision_function(scale.transform(x[~train]))
    hits = np.mean(score[y] > 0), np.mean(score[~y] <= 0)
    return float(np.mean(hits)), float(roc_auc_score(y, score))


def discriminate(real: dict[str, Any], rendered: list[dict[str, Any]]) -> dict[str, Any]:
    """Compare how recognisable the real clip is with how recognisable rendered ones are.

    Returns
    -------
    dict
        ``rows``: kind of features, balanced accuracy and area of the real clip, median and 90th percentile of the
        rendered ones, and ``p``, the share of clips (itself included) that are at least as recognisable.
        ``odd``: features in which the real clip lies outside the rendered ones, with the percentile.
    """
    found = [features(f) for f in [real, *rendered]]
    names, third = found[0][1], found[0][2]
    table = [np.nan_to_num(f[0], posinf=0.0, neginf=0.0) for f in found]
    rows = []
    for kind, prefix in {"all": "", **KINDS}.items():
        use = [k for k, name in enumerate(names) if name.startswith(prefix)]
        every = np.array([recognised([t[:, use] for t in table], third, k) for k in range(len(table))])
        rows.append(
            {
                "kind": kind,
                "features": len(use),
                "real": every[0].tolist(),
                "rendered": np.percentile(every[1:], [50, 90], axis=0).tolist(),
                "p": float(np.mean(every[:, 1] >= every[0, 1])),
            }
        )
    means = np.array([t.mean(axis=0) for t in table])
    place = np.mean(means[1:] < means[0], axis=0)
    spread = means[1:].std(axis=0)
    odd = [
        (
            name,
            float(means[0, k]),
            *np.percentile(means[1:, k], [10, 50, 90]),
            float(place[k]),
            float((means[0, k] - means[1:, k].mean()) / spread[k]),
        )
        for k, name in enumerate(names)
        if not 0.05 <= place[k] <= 0.95
    ]
    return {
        "rows": rows,
        "odd": sorted(odd, key=lambda o: -abs(o[-1])),
        "clips": len(rendered),
        "features": len(names),
    }


__all__ = ["PARTS", "discriminate", "features", "recognised"]
