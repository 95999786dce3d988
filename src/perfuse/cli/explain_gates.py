"""``perfuse explain-gates``: what a policy believes of its teacher, clip by clip, as pictures and a table."""

from __future__ import annotations

import csv
import html
import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from cyclopts import Parameter

from perfuse.cli.tables import terminal
from perfuse.cli.train import require_extra

if TYPE_CHECKING:
    from perfuse.bench.canvas import Picture
    from perfuse.papers.rpm_distill.explain import Gates

MOST_DRAWN = 48
"""Clips that are drawn one by one; the table has all."""
BANDS = ("peak", "off-peak", "shape")
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title} – perfuse</title>
<style>
:root {{ --page: #f4f5f7; --card: #fff; --ink: #1a1e24; --muted: #5a636f; --grid: #dfe3e8; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --page: #0e1217; --card: #171c23; --ink: #e9ecf0; --muted: #a3adb9; --grid: #323a44; }}
}}
{style}
body {{ margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }}
main {{ max-width: 76rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }}
h1 {{ font-size: 1.4rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }}
p {{ margin: .3rem 0; }}
.muted {{ color: var(--muted); font-size: .9rem; }}
.key span {{ display: inline-block; width: .8rem; height: .8rem; border-radius: .2rem; margin: 0 .35rem 0 .9rem; }}
.pictures {{ display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); }}
figure {{ margin: 0; padding: .8rem; background: var(--card); border-radius: .8rem; min-width: 0; }}
figure svg {{ display: block; width: 100%; height: auto; font-family: inherit; }}
figcaption {{ font-size: .85rem; }}
</style></head><body><main>
<h1>{title}</h1>
{lead}
<div class="pictures">{pictures}</div>
</main></body></html>
"""


def explain_gates(
    run: str,
    /,
    *,
    out: str | None = None,
    clips: int = 16,
    vital: str = "",
    quiet: Annotated[bool, Parameter(name=("--quiet", "-q"), negative=())] = False,
) -> int:
    """Show how far a policy believes its teacher, clip by clip, and what it saw.

    The clips are simulated, of the training's domains and of people of no training; after a training on recordings
    alone, of the people held back for the policy. Writes gates.html and gates.csv, with --vital gates-VITAL.

    Parameters
    ----------
    run
        Folder of a training of rpm_distill with a teacher.
    out
        Folder to write into; RUN/gates by default.
    clips
        How many clips, 1 to 4096; the first 48 are drawn.
    vital
        Of a student of pulse and breathing: whose policy, pulse or respiration; pulse by default.
    quiet
        Print nothing.
    """
    require_extra()
    from perfuse.papers.rpm_distill.explain import gates_of
    from perfuse.report.files import write_atomic
    from perfuse.report.html import require_extra as require_pictures

    require_pictures()
    place = Path(out) if out else Path(run) / "gates"
    found = gates_of(run, clips, vital)
    _make_room(place)
    name = f"gates-{vital}" if vital else "gates"
    write_atomic(place / f"{name}.csv", table(found))
    write_atomic(place / f"{name}.html", page(found, Path(run).resolve().name))
    console = terminal(quiet=quiet)
    console.print(f"{summary(found)}: {place / name}.html", markup=False, soft_wrap=True)
    return 0


def summary(found: Gates) -> str:
    """Say in one line how the gate lies to the truth."""
    known = np.isfinite(found.truth)
    parts = [f"{len(found.gate)} clips, gate {found.gate.mean():.3f}"]
    for name, side in (("right", known & found.right), ("wrong", known & ~found.right)):
        if side.any():
            parts.append(f"{found.gate[side].mean():.3f} in {side.sum()} where the teacher is {name}")
    auc = found.auc()
    return ", ".join(parts) + (f"; told apart in {auc:.0%} of pairs" if math.isfinite(auc) else "")


def table(found: Gates) -> str:
    """Return the table as CSV, a row a clip."""
    rows, buffer = found.rows(), io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: "" if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()} for row in rows)
    return buffer.getvalue()


def page(found: Gates, name: str) -> str:
    """Return the page: all gates in one picture, then clip by clip what the policy saw."""
    from perfuse.bench.canvas import STYLE

    drawn = [(f"All clips: teachers within {found.close:g} a minute are right", overview(found))]
    drawn += [(_caption(found, k), spectra(found, k)) for k in range(min(len(found.gate), MOST_DRAWN))]
    figures = "\n".join(
        f'<figure role="img" aria-label="{html.escape(picture.alt)}">{picture.svg}'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        for caption, picture in drawn
    )
    key = "".join(
        f'<span style="background: var({colour})"></span>{html.escape(what)}'
        for colour, what in (("--s0", "student"), ("--s1", "teacher"), ("--muted", "true rate (dashed)"))
    )
    lead = (
        f"<p>{html.escape(summary(found))}.</p>"
        "<p class=muted>Levels are logarithms of power in the band, mean 0 and spread 1 per clip: what the "
        "policy is shown, besides their difference. Weights are of the three parts of the teaching, and sum to 1. "
        f"People whom the student never saw.</p><p class='muted key'>{key}</p>"
    )
    return PAGE.format(title=html.escape(f"Gates of {name}"), style=STYLE, lead=lead, pictures=figures)


def overview(found: Gates) -> Picture:
    """Draw every gate against how far the teacher is off."""
    from perfuse.bench.canvas import GRID, colour, frame, mark, picture

    off = np.abs(found.taught - found.truth)
    known = np.isfinite(off)
    with frame(4.2, 2.9) as (figure, axes):
        axes.axvspan(0, found.close, facecolor=GRID, edgecolor="none", alpha=0.6)
        for place, side in ((2, known & found.right), (1, known & ~found.right)):
            axes.plot(off[side], found.gate[side], mark(place), color=colour(place), markersize=4.5, alpha=0.8)
        axes.set(ylim=(-0.03, 1.03), xlabel="teacher's error, per minute", ylabel="gate")
        axes.set_xlim(0, max(2 * found.close, float(off[known].max(initial=0.0)) * 1.05))
        return picture(figure, axes, "gates", f"Gate against the teacher's error, {int(known.sum())} clips.")


def spectra(found: Gates, k: int) -> Picture:
    """Draw the two spectra of a clip, the true rate, and gate and weights as bars beside them."""
    from perfuse.bench.canvas import GRID, INK, MUTED, colour, frame, picture

    with frame(4.2, 2.5, left=0.62, right=1.25) as (figure, axes):
        if math.isfinite(found.truth[k]):
            axes.axvline(found.truth[k], color=MUTED, linewidth=1.2, linestyle="--")
        for place, levels in ((0, found.student[k]), (1, found.teacher[k])):
            axes.plot(found.per_min, levels, color=colour(place), linewidth=1.8, marker="o", markersize=2.6)
        axes.set(xlabel="per minute", ylabel="level")
        beside = figure.add_axes((1 - 0.72 / 4.2, 0.46 / 2.5, 0.66 / 4.2, 1 - 0.54 / 2.5))
        beside.patch.set_alpha(0)
        values = [found.gate[k], *found.mix[k]][::-1]
        beside.barh(range(4), [1.0] * 4, color=GRID, alpha=0.6, height=0.62)
        beside.barh(range(4), values, color=[colour(6)] * 3 + [colour(2)], height=0.62)
        beside.set(xlim=(0, 1), xticks=[], yticks=range(4), yticklabels=[*BANDS[::-1], "gate"])
        beside.tick_params(labelsize=8, labelcolor=INK, length=0)
        for spine in beside.spines.values():
            spine.set_visible(False)
        alt = f"{_caption(found, k)}. Largest level of the student at {_top(found, found.student[k])}, "
        return picture(
            figure, axes, f"clip{k}", f"{alt}of the teacher at {_top(found, found.teacher[k])} per minute."
        )


def _top(found: Gates, levels: np.ndarray) -> str:
    return f"{found.per_min[levels.argmax()]:.0f}"


def _caption(found: Gates, k: int) -> str:
    truth = f"true {found.truth[k]:.0f}" if math.isfinite(found.truth[k]) else "no pulse"
    about = " · ".join(
        word for word in (found.domains[k], found.qualities[k] and f"radar {found.qualities[k]}") if word
    )
    rates = f"{truth}, student {found.said[k]:.0f}, teacher {found.taught[k]:.0f} /min"
    return f"Clip {k}: gate {found.gate[k]:.2f} · {rates}" + (f" · {about}" if about else "")


def _make_room(place: Path) -> None:
    from perfuse.core.errors import OutputError

    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{place} cannot be made a folder ({error.strerror}).", "Choose another place.") from error
