"""Numbers as a result page tells them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from perfuse.bench.metrics import Estimate
from perfuse.report.words import label

if TYPE_CHECKING:
    from perfuse.bench.ranking import Ranking

NONE = "–"
"""Where there is no number."""


def digits(vital: str) -> int:
    """Return the decimals of an error: one more than those of the value."""
    return label(vital).digits + 1


def fixed(value: float | None, decimals: int) -> str:
    """Return a number with so many decimals, never a negative nought."""
    if value is None or not math.isfinite(value):
        return NONE
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def share(value: float | None) -> str:
    """Return 0..1 as per cent; only all is 100 %, only nothing is 0 %."""
    if value is None or not math.isfinite(value):
        return NONE
    if 0 < value < 0.005:
        return "< 1 %"
    return "> 99 %" if 0.995 <= value < 1 else f"{100 * value:.0f} %"


def whole(value: float | None) -> str:
    """Return a count with its thousands apart."""
    return NONE if value is None else f"{value:,.0f}"


def times(value: float | None) -> str:
    """Return a multiple."""
    return NONE if value is None or not math.isfinite(value) else f"{value:,.{0 if value >= 10 else 2}f}"


def count(n: int, one: str, many: str = "") -> str:
    """Return ``1 window``, ``2 windows``."""
    return f"{n} {one if n == 1 else many or one + 's'}"


def window(name: str) -> str:
    """Return the name of a cut as people say it."""
    return "whole recordings" if name == "whole" else f"windows of {name}"


def estimate(e: Estimate, decimals: int) -> str:
    """Return ``1.23 ± 0.10 (1.04 to 1.44)``: value, standard error, 95 % interval, as far as they are there."""
    text = fixed(e.value, decimals)
    if text == NONE:
        return NONE
    if e.se is not None:
        text += f" ± {fixed(e.se, decimals)}"
    if e.low is not None and e.high is not None:
        text += f" ({fixed(e.low, decimals)} to {fixed(e.high, decimals)})"
    return text


def percent(e: Estimate) -> str:
    """Return a share with its 95 % interval: ``88 % (81 % to 94 %)``."""
    text = share(e.value)
    return text if e.low is None or e.high is None else f"{text} ({share(e.low)} to {share(e.high)})"


def p_value(p: float) -> str:
    """Return ``p = 0.012``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def against(ranking: Ranking, method: str, decimals: int) -> str:
    """Return how a method compares with the best: ``tie: 0.12 (-0.05 to 0.30), p = 0.210, 96 windows``."""
    verdict = ranking.verdict(method)
    if verdict == "best":
        return "best" if len(ranking.groups) > 1 else NONE
    found = ranking.against.get(method)
    if found is None or found.difference.value is None:
        return "no window that both answer" if found is not None else NONE
    d = found.difference
    text = {"unknown": "not tested", "better": "better there"}.get(verdict, verdict)
    text += f": {'+' if d.value is not None and d.value > 0 else ''}{fixed(d.value, decimals)}"
    if d.low is not None and d.high is not None:
        text += f" ({fixed(d.low, decimals)} to {fixed(d.high, decimals)})"
    if found.p_holm is not None:
        text += f", {p_value(found.p_holm)}"
    return f"{text}, {count(found.windows, 'window')}"


def reasons(estimates: Iterable[tuple[str, Estimate]]) -> tuple[str, ...]:
    """Return why there is no value or no interval, each reason once with the methods that it concerns."""
    found: dict[str, list[str]] = {}
    for method, e in estimates:
        if e.reason and method not in found.setdefault(e.reason, []):
            found[e.reason].append(method)
    return tuple(f"{', '.join(methods)}: {reason}." for reason, methods in found.items())
