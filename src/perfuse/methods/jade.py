"""JADE: independent components by joint diagonalisation of fourth-order cumulants."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np

from perfuse.methods.colour import Array

RANK = 1e-12
"""Directions with less than this share of the largest variance are rounding."""


def jade(x: Array) -> tuple[Array, Array]:
    """Separate linear mixtures of independent non-Gaussian sources.

    Cardoso, Souloumiac: Blind beamforming for non-Gaussian signals, IEE Proceedings F 140, 1993; the real-valued form
    of Cardoso: High-order contrasts for independent component analysis, Neural Computation 11, 1999.

    Parameters
    ----------
    x : ndarray, (C, L)
        Mixtures.

    Returns
    -------
    sources : ndarray, (K, L)
        K <= C uncorrelated sources of unit variance and zero mean; order and signs carry no meaning.
    mixing : ndarray, (C, K)
        ``mixing @ sources`` is ``x`` without its means.
    """
    centred = x - x.mean(axis=1, keepdims=True)
    variance, axes = np.linalg.eigh(centred @ centred.T / x.shape[1])
    keep = variance > max(RANK * variance[-1], 0.0)
    scale = np.sqrt(variance[keep])
    white = (axes[:, keep].T @ centred) / scale[:, None]
    rotation = joint_diagonaliser(cumulant_matrices(white))
    return rotation.T @ white, (axes[:, keep] * scale) @ rotation


def cumulant_matrices(white: Array) -> Array:
    """Fourth-order cumulant matrices of white signals (K, L): (K (K + 1) / 2, K, K)."""
    count, length = white.shape
    eye = np.eye(count)
    matrices = np.empty((count * (count + 1) // 2, count, count))
    for index, (i, j) in enumerate(combinations_with_replacement(range(count), 2)):
        moment = (white[i] * white[j] * white) @ white.T / length
        gaussian = (i == j) * eye + np.outer(eye[i], eye[j]) + np.outer(eye[j], eye[i])
        # An off-diagonal pair stands for (i, j) and (j, i): the norm of the whole set counts it twice.
        matrices[index] = (moment - gaussian) * (1.0 if i == j else np.sqrt(2))
    return matrices


def joint_diagonaliser(matrices: Array, sweeps: int = 100, smallest: float = 1e-10) -> Array:
    """Rotation V that makes all ``V' M V`` as diagonal as can be, by Jacobi rotations.

    Parameters
    ----------
    matrices : ndarray, (M, K, K)
        Symmetric.
    sweeps : int
        Give up after so many rounds over all planes.
    smallest : float
        Radians: a round without a larger rotation is the last.

    Returns
    -------
    ndarray, (K, K)
        Orthogonal.
    """
    matrices = matrices.copy()
    count = matrices.shape[1]
    total = np.eye(count)
    for _ in range(sweeps):
        largest = 0.0
        for p in range(count):
            for q in range(p + 1, count):
                apart = matrices[:, p, p] - matrices[:, q, q]
                cross = matrices[:, p, q] + matrices[:, q, p]
                on, off = apart @ apart - cross @ cross, 2 * (apart @ cross)
                angle = 0.5 * np.arctan2(off, on + np.hypot(on, off))
                largest = max(largest, abs(float(angle)))
                c, s = np.cos(angle), np.sin(angle)
                turn = np.array([[c, -s], [s, c]])
                matrices[:, :, [p, q]] = matrices[:, :, [p, q]] @ turn
                matrices[:, [p, q], :] = turn.T @ matrices[:, [p, q], :]
                total[:, [p, q]] = total[:, [p, q]] @ turn
        if largest < smallest:
            break
    return total
