"""Code books fitted to simulated labels: one call whatever the way, and kept where fitting takes long."""

from __future__ import annotations

import hashlib
from functools import cache, lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from perfuse.core.errors import OutputError, SourceError, one_of
from perfuse.data.cache import default_cache
from perfuse.papers.lq_rppg.labels.learned import Learned, fit_learned
from perfuse.papers.lq_rppg.labels.prepare import PAPER_BAND_HZ, prepared, simulated_labels
from perfuse.papers.lq_rppg.labels.scalar import Direct, levels_of, lloyd, uniform
from perfuse.report.files import write_atomic

WAYS = ("learned", "lloyd", "uniform")
"""The authors' way; the least squared error; even steps."""
COUNT = 512
"""Labels a code book is fitted to. ASSUMED: about as many as the authors' smallest source has chunks."""


def code_books(
    way: str,
    n_bits: int,
    *,
    kind: str = "pulse",
    frames: int = 160,
    rate_hz: float = 30.0,
    band_hz: tuple[float, float] = PAPER_BAND_HZ,
    count: int = COUNT,
    seed: int = 0,
) -> nn.ModuleList:
    """Return quantisers of 1 to ``n_bits`` bits, fitted to the same simulated labels.

    Parameters
    ----------
    way : {"learned", "lloyd", "uniform"}
        How levels are found. ``learned`` takes about half a minute a depth the first time, and is kept in the cache
        (``PERFUSE_CACHE``); the others take a second or two in all.
    n_bits : int
        1 to 6.
    kind, frames, rate_hz, count, seed
        Of the labels: see :func:`perfuse.papers.lq_rppg.labels.prepare.simulated_labels`. Sensors are without fault.
    band_hz : (float, float)
        Of :func:`perfuse.papers.lq_rppg.labels.prepare.prepared`.

    Returns
    -------
    ModuleList of :class:`perfuse.papers.lq_rppg.labels.scalar.Quantiser`
        Coarse to fine, of ``n_bits`` parts, without gradients.

    Raises
    ------
    UsageError
        If there is no such way, kind or depth.
    OutputError
        If the cache cannot be written.
    """
    one_of("quantiser", way, WAYS)
    levels_of(n_bits)
    asked = (kind, frames, rate_hz, (band_hz[0], band_hz[1]), count, seed)
    if way == "learned":
        return nn.ModuleList(_learned(bits, *asked) for bits in range(1, n_bits + 1))
    fit = {"lloyd": lloyd, "uniform": uniform}[way]
    pool = _labels(*asked).double().numpy()
    books = [Direct(torch.tensor(fit(pool, bits), dtype=torch.float32)) for bits in range(1, n_bits + 1)]
    return nn.ModuleList(books)


@lru_cache(maxsize=4)
def _labels(kind: str, frames: int, rate_hz: float, band_hz: tuple[float, float], count: int, seed: int) -> Tensor:
    """Return prepared labels, (count, frames); whoever gets them must not change them."""
    made = simulated_labels(count, frames=frames, rate_hz=rate_hz, kind=kind, seed=seed)
    return prepared(torch.from_numpy(made), rate_hz, band_hz).float()


def _learned(
    n_bits: int, kind: str, frames: int, rate_hz: float, band_hz: tuple[float, float], count: int, seed: int
) -> Learned:
    """Return the learned quantiser of one depth: from the cache, or fitted and put there."""
    asked = (kind, frames, rate_hz, band_hz, count, seed)
    words = (n_bits, *asked, torch.__version__, _source())
    name = hashlib.blake2b(repr(words).encode(), digest_size=10).hexdigest()
    path = default_cache() / "lq_rppg" / f"{name}.safetensors"
    if path.exists():
        model = Learned(n_bits, frames)
        try:
            model.load_state_dict(load(path.read_bytes()))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise SourceError(f"{path} is damaged ({error}).", "Remove it; the next run makes it again.") from error
        return model.requires_grad_(False).eval()
    model = fit_learned(_labels(*asked), n_bits, rate_hz=rate_hz, seed=seed)
    _make_room(path.parent)
    write_atomic(path, save({key: value.contiguous() for key, value in model.state_dict().items()}))
    return model


def _make_room(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made ({error}).", "Set PERFUSE_CACHE to another.") from error


@cache
def _source() -> str:
    """Hash of the source that decides a learned code book."""
    import perfuse

    root, mark = Path(perfuse.__file__).parent, hashlib.blake2b(digest_size=8)
    rooms = ("papers/lq_rppg/labels", "synth/physiology", "synth/sensors")
    files = [file for room in rooms for file in sorted((root / room).glob("*.py"))]
    single = ("papers/lq_rppg/objective.py", "nn/mamba.py", "nn/scan.py", "synth/domains.py", "signal/filters.py")
    for file in [*files, *(root / name for name in single)]:
        mark.update(file.name.encode() + file.read_bytes())
    return mark.hexdigest()
