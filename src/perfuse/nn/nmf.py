"""Non-negative factorisation of rank 1: attention as the best product of one course in time and one picture.

As in FactorizePhys (Joshi, Agaian, Cho, NeurIPS 2024, section 3), after Geng and others (ICLR 2021).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

STEPS = 4
FLOOR = 1e-6


def rank_one(matrix: Tensor, steps: int = STEPS) -> Tensor:
    """Return the best product of one column and one row that multiplicative updates reach from an even start.

    The updates are not differentiated, backward or forward; one more of the row is, so that gradients see the matrix
    but not the way to its factors.

    Parameters
    ----------
    matrix : Tensor, (B, rows, columns)
        0 or more.
    steps : int
        Updates of row and column.

    Returns
    -------
    Tensor, (B, rows, columns)
        Of rank 1; 0 or more. A matrix of zeros gives zeros.
    """
    fixed = matrix.detach()  # no_grad alone lets forward-mode derivatives through
    with torch.no_grad():
        column = functional.normalize(torch.ones_like(fixed[:, :, :1]), dim=1)
        row = torch.ones_like(fixed[:, :1].transpose(1, 2))
        for _ in range(steps):
            row = _row(fixed, column, row)
            column = column * (fixed @ row) / (column * (row * row).sum(1, keepdim=True) + FLOOR)
    return column @ _row(matrix, column, row).transpose(1, 2)


def _row(matrix: Tensor, column: Tensor, row: Tensor) -> Tensor:
    return row * (matrix.transpose(1, 2) @ column) / (row * (column * column).sum(1, keepdim=True) + FLOOR)
