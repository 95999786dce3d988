"""What a result was made on, in one line."""

from __future__ import annotations

import os
import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def machine() -> str:
    """Return processor, cores, system, Python and numpy, such as ``AMD EPYC 7763, 2 cores, Linux 6.1 x86_64, ...``.

    Never the machine's name, its user or a folder: results are published.
    """
    import numpy as np

    cores = usable_cores()
    return (
        f"{processor()}, {cores} core{'s' * (cores != 1)}, {platform.system()} {_release()} {platform.machine()}, "
        f"Python {platform.python_version()}, numpy {np.__version__}"
    )


def usable_cores() -> int:
    """Return on how many cores this process may run, which in a container can be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """Return what the processor calls itself, or the name of its instructions."""
    try:
        text = CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        text = ""
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return next((name for name in names if name), "") or platform.processor() or platform.machine()


def _release() -> str:
    """First two numbers of the system's version: what follows names a build, sometimes its owner."""
    return ".".join(platform.release().split("-")[0].split(".")[:2])
