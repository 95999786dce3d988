"""Tissue: how skin of a given melanin and blood content reflects each wavelength, and what a camera makes of it.

Two layers as in Kubelka and Munk: the epidermis only absorbs (twice, on the way in and out), papillary and reticular
dermis scatter and hold the blood. All coefficients are published; the thicknesses and contents marked ASSUMED lie in
the published ranges. ``tests/test_synth_person.py`` holds the tables (swing by lamp and by skin tone) that the model
has to return. The model overstates how much red and blue pulse (deep red is
absorbed 100 times less than 600 nm, and blue sees only the capillary layer): use its *trend* with lamp and tone, and
measured values for the size.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from perfuse.core.errors import UsageError
from perfuse.synth.fields import F64

WAVELENGTHS_NM: F64 = np.arange(400.0, 701.0, 5.0)
"""Where every spectrum on this page is sampled."""

# Molar extinction in 1/(cm M) at 400, 420 ... 700 nm: S. Prahl's compilation of oxy- and deoxyhaemoglobin.
_OXY = (266232, 480360, 102580, 44480, 26629, 20933, 24202, 53236, 32613, 50104, 3200, 942, 442, 320, 278, 290)
_DEOXY = (
    *(223296, 407560, 413280, 23389, 14550, 20862, 31590, 46592),
    *(53788, 37020, 14677, 6510, 4345, 3227, 2408, 1794),
)

EPIDERMIS_CM = 0.006
"""Thickness of the living epidermis, about 60 micrometres."""

PATH = 1.3
"""Light crosses the epidermis at a slant: length of its way relative to the thickness (ASSUMED)."""

PAPILLARY_CM, RETICULAR_CM = 0.02, 0.2
"""Papillary dermis, 200 to 300 micrometres in the literature, and what lies below it (ASSUMED, in effect endless)."""

PAPILLARY_BLOOD, RETICULAR_BLOOD = 0.002, 0.01
"""Volume share of blood: dermis 0.2 to 2 % (ASSUMED within that: the upper layer holds capillaries only)."""

SATURATION = 0.75
"""Oxygen saturation of the blood that fills and leaves the skin: a mix of arterial and venous."""

VEIL = 0.02
"""Light returned by the surface itself in the tables of tones: 2 % of white, at the low end of Fresnel's 2.8 %."""

CAMERAS = {
    "wide": ((600.0, 80.0), (535.0, 95.0), (460.0, 75.0)),
    "narrow": ((605.0, 50.0), (540.0, 60.0), (455.0, 50.0)),
}
"""Centre and full width at half maximum, nm, of R, G, B: consumer sensors, and sharper filters (both ASSUMED)."""

ILLUMINANTS = ("incandescent", "daylight", "led", "fluorescent")
"""Lamps by name: 2856 K, 6500 K, white LED, tri-band fluorescent; a number stands for a colour temperature in K."""

# Mean and first two components of daylight (CIE 15, 1967), 400 to 700 nm in steps of 10.
_DAY = np.array(
    [
        *(
            94.8,
            104.8,
            105.9,
            96.8,
            113.9,
            125.6,
            125.5,
            121.3,
            121.3,
            113.5,
            113.1,
            110.8,
            106.5,
            108.8,
            105.3,
            104.4,
        ),
        *(100.0, 96.0, 95.1, 89.1, 90.5, 90.3, 88.4, 84.0, 85.1, 81.9, 82.6, 84.9, 81.3, 71.9, 74.3),
        *(43.4, 46.3, 43.9, 37.1, 36.7, 35.9, 32.6, 27.9, 24.3, 20.1, 16.2, 13.2, 8.6, 6.1, 4.2, 1.9),
        *(0.0, -1.6, -3.5, -3.5, -5.8, -7.2, -8.6, -9.5, -10.9, -10.7, -12.0, -14.0, -13.6, -12.0, -13.3),
        *(-1.1, -0.5, -0.7, -1.2, -2.6, -2.9, -2.8, -2.6, -2.6, -1.8, -1.5, -1.3, -1.2, -1.0, -0.5, -0.3),
        *(0.0, 0.2, 0.5, 2.1, 3.2, 4.1, 4.7, 5.1, 6.7, 7.3, 8.6, 9.8, 10.2, 8.3, 9.6),
    ]
).reshape(3, 31)

# Bands (centre, full width at half maximum, height) of a blue-pumped white LED and of a tri-phosphor tube with its
# mercury lines, ASSUMED after typical data sheets.
_BANDS = {
    "led": ((450.0, 20.0, 1.0), (560.0, 120.0, 0.8)),
    "fluorescent": ((436.0, 10, 0.5), (490.0, 14, 0.3), (545.0, 12, 1.0), (585.0, 14, 0.3), (611.0, 10, 1.0)),
}


def _bell(centre: float, width: float) -> F64:
    """Gaussian of height 1 by its full width at half maximum."""
    return np.asarray(np.exp(-4.0 * np.log(2.0) * ((WAVELENGTHS_NM - centre) / width) ** 2))


@lru_cache(maxsize=1)
def _coefficients() -> tuple[F64, F64, F64, F64, F64]:
    """Absorption of oxygenated and of deoxygenated whole blood, of melanosomes, of bare skin; scattering (1/cm)."""
    nm, coarse = WAVELENGTHS_NM, np.arange(400.0, 701.0, 20.0)
    whole = 2.303 * 150.0 / 64500.0  # 150 g/l of haemoglobin, 64,500 g/mol, decadic to natural
    oxy, deoxy = (whole * np.exp(np.interp(nm, coarse, np.log(np.array(table)))) for table in (_OXY, _DEOXY))
    melanosome = 1.70e12 * nm**-3.48  # S. Jacques, "Melanosome absorption coefficient", 1998
    bloodless = 0.244 + 85.3 * np.exp(-(nm - 154.0) / 66.2)  # S. Jacques, "Skin optics", 1998
    scatter = 2e5 * nm**-1.5 + 2e12 * nm**-4  # reduced: Mie plus Rayleigh, after Jacques
    return oxy, deoxy, melanosome, bloodless, scatter


def _layer(absorb: F64, scatter: F64, thick_cm: float) -> tuple[F64, F64]:
    """Reflectance and transmittance of one scattering layer (Kubelka and Munk)."""
    decay = np.sqrt(absorb * (absorb + 2.0 * scatter))
    b = np.sqrt(absorb / (absorb + 2.0 * scatter))
    up, down = np.exp(decay * thick_cm), np.exp(-decay * thick_cm)
    share = (1.0 + b) ** 2 * up - (1.0 - b) ** 2 * down
    return np.asarray((1.0 - b * b) * (up - down) / share), np.asarray(4.0 * b / share)


def reflectance(melanin: float | F64, blood: float | F64 = 1.0, saturation: float | F64 = SATURATION) -> F64:
    """Diffuse reflectance spectrum of skin.

    Parameters
    ----------
    melanin : float or ndarray
        Volume share of melanosomes in the epidermis, 0 to 1: 0.013 to 0.063 in light, 0.11 to 0.16 in moderately
        pigmented, 0.18 to 0.43 in dark skin (Jacques 1998).
    blood : float or ndarray
        Blood in the dermis relative to :data:`PAPILLARY_BLOOD` and :data:`RETICULAR_BLOOD`, above 0.
    saturation : float or ndarray
        Share of it that carries oxygen, 0 to 1.

    Returns
    -------
    ndarray, float64, (..., 61)
        0..1 at :data:`WAVELENGTHS_NM`; the leading axes are those of the arguments, broadcast.
    """
    oxy, deoxy, melanosome, bloodless, scatter = _coefficients()
    pigment, filled, oxygen = (np.asarray(v, np.float64)[..., None] for v in (melanin, blood, saturation))
    epidermis = pigment * melanosome + (1.0 - pigment) * bloodless
    through = np.exp(-PATH * EPIDERMIS_CM * epidermis)
    whole = filled * (oxygen * oxy + (1.0 - oxygen) * deoxy)
    upper, passed = _layer(PAPILLARY_BLOOD * whole + bloodless, scatter, PAPILLARY_CM)
    lower, _ = _layer(RETICULAR_BLOOD * whole + bloodless, scatter, RETICULAR_CM)
    return np.asarray(through**2 * (upper + passed**2 * lower / (1.0 - upper * lower)))


def light_spectrum(illuminant: str | float) -> F64:
    """Spectrum of a lamp, (61,) with mean 1.

    Parameters
    ----------
    illuminant : str or float
        One of :data:`ILLUMINANTS`, or a colour temperature of 1500 to 25000 K: black body up to 4000 K, CIE daylight
        from 5000 K, mixed in between.

    Raises
    ------
    UsageError
        If there is no such lamp.
    """
    if isinstance(illuminant, str):
        if illuminant not in ILLUMINANTS:
            raise UsageError(f"There is no light called {illuminant!r}.", f"Available: {', '.join(ILLUMINANTS)}.")
        if illuminant in _BANDS:
            bands = sum(height * _bell(centre, width) for centre, width, height in _BANDS[illuminant])
            return np.asarray(bands / np.mean(bands))
        illuminant = 2856.0 if illuminant == "incandescent" else 6500.0
    if not 1500.0 <= illuminant <= 25000.0:
        raise UsageError(f"A light of {illuminant} K is out of range.", "Choose 1500 to 25000 K.")
    day = float(np.clip((illuminant - 4000.0) / 1000.0, 0.0, 1.0))
    spectrum = np.zeros_like(WAVELENGTHS_NM)
    for share, make in ((1.0 - day, _black_body), (day, _daylight)):
        if share > 0:
            part = make(illuminant)
            spectrum += share * part / part.mean()
    return spectrum


def _black_body(kelvin: float) -> F64:
    """Planck's law, up to a factor."""
    metres = WAVELENGTHS_NM * 1e-9
    return np.asarray(1e-30 * metres**-5 / np.expm1(1.4388e-2 / (metres * kelvin)))


def _daylight(kelvin: float) -> F64:
    """CIE daylight of a correlated colour temperature from 4000 K up (CIE 15)."""
    inverse = 1e3 / kelvin
    curve = (0.244063, 0.09911, 2.9678, -4.6070) if kelvin <= 7000 else (0.237040, 0.24748, 1.9018, -2.0064)
    x = sum(c * inverse**power for power, c in enumerate(curve))
    y = -3.0 * x * x + 2.870 * x - 0.275
    share = 0.0241 + 0.2562 * x - 0.7341 * y
    mix = np.array([1.0, (-1.3515 - 1.7703 * x + 5.9114 * y) / share, (0.03 - 31.4424 * x + 30.0717 * y) / share])
    return np.asarray(np.interp(WAVELENGTHS_NM, np.arange(400.0, 701.0, 10.0), mix @ _DAY))


def seen(spectrum: F64, illuminant: str | float = "daylight", camera: str = "wide") -> F64:
    """Reflectance in R, G, B, (..., 3), as a balanced camera sees a spectrum (..., 61): 1 for white.

    Raises
    ------
    UsageError
        If there is no such lamp or camera.
    """
    if camera not in CAMERAS:
        raise UsageError(f"There is no camera called {camera!r}.", f"Available: {', '.join(CAMERAS)}.")
    filters = np.stack([_bell(centre, width) for centre, width in CAMERAS[camera]]) * light_spectrum(illuminant)
    return np.asarray(spectrum @ (filters / filters.sum(axis=1, keepdims=True)).T)


def swing(
    melanin: float,
    illuminant: str | float = "daylight",
    *,
    rise: float = 0.02,
    veil: float = VEIL,
    camera: str = "wide",
) -> tuple[F64, F64]:
    """Absolute and relative pulse in R, G, B, each (3,), when the dermis holds ``rise`` more blood.

    The first is in units of white; the second is divided by what the camera sees, with ``veil`` of white added by the
    surface: melanin barely changes AC/DC of the diffuse light, it lets the veil dilute it.
    """
    calm, full = seen(reflectance(melanin, np.array([1.0, 1.0 + rise])), illuminant, camera)
    return np.asarray(calm - full), np.asarray((calm - full) / (calm + veil))


@lru_cache(maxsize=4096)
def _signature(melanin: float, illuminant: str | float, camera: str) -> tuple[float, float]:
    relative = swing(melanin, illuminant, veil=0.0, camera=camera)[1]
    return float(relative[0] / relative[1]), float(relative[2] / relative[1])


def signature_trend(melanin: float, illuminant: str | float, camera: str = "wide") -> F64:
    """How R/G and B/G of the pulse differ from medium skin (melanin 0.05) in daylight, (3,) with green 1."""
    red, blue = _signature(round(float(melanin), 3), illuminant, camera)
    red_ref, blue_ref = _signature(0.05, "daylight", camera)
    return np.array([red / red_ref, 1.0, blue / blue_ref])
