"""Cards: everything a user must know about a method before trusting it, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Card:
    """Provenance and limits of one method.

    Attributes
    ----------
    name : str
        Registry key, lower case.
    title : str
        One line for a list.
    paper : str
        Authors, title, venue, year.
    equation : str
        Where in the paper the implemented formula stands.
    outputs : tuple of str
        Subset of ``("pulse", "respiration")``.
    band_hz : tuple of float
        Frequencies the output can carry.
    licence : str
        Licence of code and weights.
    provenance : str
        ``"paper"`` (implemented from the publication), ``"reconstructed"`` (rebuilt from an abstract) or
        ``"own"``.
    limits : str
        When not to trust it.
    deviations : str
        Where this implementation knowingly differs from the paper.
    sha256 : str
        Of the file with the network's weights, in hexadecimal; empty for methods without one.
    """

    name: str
    title: str
    paper: str
    equation: str
    outputs: tuple[str, ...] = ("pulse",)
    band_hz: tuple[float, float] = (0.6, 4.0)
    licence: str = "Apache-2.0"
    provenance: str = "paper"
    limits: str = ""
    deviations: str = ""
    sha256: str = ""
