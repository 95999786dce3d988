"""All layouts by name."""

from __future__ import annotations

from perfuse.core.errors import UsageError
from perfuse.synth.layouts.equipleth import EQUIPLETH
from perfuse.synth.layouts.native import PERFUSE
from perfuse.synth.layouts.plan import Layout
from perfuse.synth.layouts.pure import PURE
from perfuse.synth.layouts.ubfc import UBFC

LAYOUTS = {layout.name: layout for layout in (PERFUSE, UBFC, PURE, EQUIPLETH)}


def get_layout(name: str) -> Layout:
    """Return a layout.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    if name not in LAYOUTS:
        raise UsageError(f"There is no layout called {name!r}.", f"Available: {', '.join(LAYOUTS)}.")
    return LAYOUTS[name]
