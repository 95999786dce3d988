"""perfuse: pulse, breathing and heart-rate variability from an ordinary face video, with honest error bars.

>>> import perfuse
>>> answer = perfuse.measure("face.mp4")  # doctest: +SKIP
>>> answer.heart_rate.value, answer.heart_rate.low, answer.heart_rate.high  # doctest: +SKIP

Everything below is loaded on first use, so that importing the package costs almost nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perfuse.core.errors import PerfuseError
    from perfuse.core.frame import Frame
    from perfuse.core.results import Measurement, Vital
    from perfuse.core.signals import Waveform
    from perfuse.methods import list_methods

    # For its signature: data.measuring, which is loaded, has the same. It also opens what radars recorded, and lies
    # above rooms that import this package.
    from perfuse.pipeline import Session, measure
    from perfuse.report.html import write_report
    from perfuse.report.json import to_json
    from perfuse.video import open_source

__version__ = "0.1.0"

__all__ = [
    "Frame",
    "Measurement",
    "PerfuseError",
    "Session",
    "Vital",
    "Waveform",
    "__version__",
    "list_methods",
    "measure",
    "open_source",
    "to_json",
    "write_report",
]

_ROOMS = {
    "Frame": "core.frame",
    "Measurement": "core.results",
    "PerfuseError": "core.errors",
    "Session": "pipeline",
    "Vital": "core.results",
    "Waveform": "core.signals",
    "list_methods": "methods",
    "measure": "data.measuring",
    "open_source": "video",
    "to_json": "report.json",
    "write_report": "report.html",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its room on first use (PEP 562)."""
    if name not in _ROOMS:
        raise AttributeError(f"module 'perfuse' has no attribute {name!r}")
    from importlib import import_module

    thing = getattr(import_module(f"perfuse.{_ROOMS[name]}"), name)
    globals()[name] = thing
    return thing


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
