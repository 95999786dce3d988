"""Coats: albedo, coverage, surface direction and pulsatility of a picture, laid on layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perfuse.synth.fields import Field


@dataclass(slots=True)
class Coat:
    """What has been painted so far, per pixel.

    Attributes
    ----------
    albedo : ndarray, float32, (3, H, W)
        Diffuse reflectance.
    alpha : ndarray, float32, (H, W)
        Coverage, 0..1.
    normal : ndarray, float32, (3, H, W)
        Where the surface faces.
    pulse : ndarray, float32, (H, W)
        Pulsatility relative to the mean over the face; 0 where no blood shows.
    sheen : ndarray, float32, (H, W)
        Strength of specular light relative to plain skin.
    loose : ndarray, float32, (H, W)
        1 where the surface is not that of the relief (hair, ears): its shadows do not fall there.
    flesh : ndarray, float32, (H, W)
        1 where skin is seen, or what passes for it (under make-up, on a doll): what a measuring program would
        average, whether it pulsates or not. Lips, eyes, hair and all that is worn count as none.
    """

    albedo: Field
    alpha: Field
    normal: Field
    pulse: Field
    sheen: Field
    loose: Field
    flesh: Field

    def over(
        self,
        mask: Field,
        albedo: Field | None = None,
        *,
        normal: Field | None = None,
        pulse: Field | float | None = None,
        sheen: Field | float | None = None,
        flesh: float | None = None,
        solid: bool = False,
        loose: float = 0.0,
    ) -> None:
        """Lay a layer through ``mask``; what is None shows through. ``solid`` layers also cover the background."""
        if albedo is not None:
            self.albedo += mask * ((albedo if albedo.ndim == 3 else albedo[:, None, None]) - self.albedo)
        if normal is not None:
            self.normal += mask * (normal - self.normal)
        if pulse is not None:
            self.pulse += mask * (pulse - self.pulse)
        if sheen is not None:
            self.sheen += mask * (sheen - self.sheen)
        if flesh is not None:
            self.flesh += mask * (np.float32(flesh) - self.flesh)
        if solid:
            self.alpha += mask * (1.0 - self.alpha)
            self.loose += mask * (loose - self.loose)

    def window(self, rows: slice, cols: slice) -> Coat:
        """Return a part of the coat; what is painted on it is painted on the whole."""
        planes = (self.albedo, self.alpha, self.normal, self.pulse, self.sheen, self.loose, self.flesh)
        return Coat(*(plane[..., rows, cols] for plane in planes))


def bare(shape: tuple[int, int]) -> Coat:
    """Return a coat with nothing painted yet."""
    facing = np.zeros((3, *shape), np.float32)
    facing[2] = 1.0
    alpha, pulse, sheen, loose, flesh = (np.zeros(shape, np.float32) for _ in range(5))
    return Coat(np.zeros((3, *shape), np.float32), alpha, facing, pulse, sheen, loose, flesh)


def tinted(albedo: Field, red: float, green: float, blue: float) -> Field:
    """Return albedo (3, H, W) times a colour."""
    return albedo * np.array([red, green, blue], np.float32)[:, None, None]
