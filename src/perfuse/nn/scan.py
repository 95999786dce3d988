"""Mamba's selective scan in plain torch: quick on a processor, lean in memory, and one ``Scan`` node in ONNX.

With a diagonal matrix of decays A, of which no state sees another (Gu and Dao, arXiv 2312.00752, section 3.2; of the
two ways to make time discrete theirs: exact for A, Euler's for B):

    h_t = exp(step_t A) h_(t-1) + step_t x_t B_t,    y_t = C_t h_t.

The states of all times are never in memory at once. Forward and backward walk through blocks of time that fit a
processor's cache; at each block's start the state is kept, and the backward pass makes those within it again. Every
step of the recurrence is one multiply-add in place. What was measured against what: ``benchmarks/scan.py``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from perfuse.core.errors import UsageError

CACHED, AT_ONCE = 1 << 18, 1 << 24
"""Numbers in a block of states: on a processor (1 MB, measured best of 2^14 to 2^20), and elsewhere."""
ENGINES = ("blocks", "doubling")


def selective_scan(
    x: Tensor, step: Tensor, decay: Tensor, enter: Tensor, leave: Tensor, *, engine: str = "blocks"
) -> Tensor:
    """Run the recurrence from a state of zeros.

    Parameters
    ----------
    x : Tensor, (B, T, G, D)
        What comes in. G scans run side by side, such as the two directions of time.
    step : Tensor, (B, T, G, D)
        How far time goes on, 0 or more.
    decay : Tensor, (G, D, N)
        A, per unit of step, 0 or less. However fast a state decays, nothing overflows.
    enter, leave : Tensor, (B, T, G, N)
        B and C: what of the input enters the states, and what of them is read.
    engine : {"blocks", "doubling"}
        How. Doubling needs ceil(log2 T) passes over all states in operations that torch differentiates itself; it is
        slower on a processor. While torch exports, either becomes one ONNX ``Scan``; while it compiles, blocks are
        doubled.

    Returns
    -------
    Tensor, (B, T, G, D)
        y. In 16 bits all is reckoned in 32, and rounded at the end.

    Raises
    ------
    UsageError
        If the shapes do not fit, or there is no such engine.

    Notes
    -----
    G may be left out everywhere. ``blocks`` has no second derivative.
    """
    if engine not in ENGINES:
        raise UsageError(f"There is no engine {engine!r}.", f"Available: {', '.join(ENGINES)}.")
    if x.ndim == 3:
        parts = (v.unsqueeze(2) for v in (x, step, enter, leave))
        x, step, enter, leave = parts
        return selective_scan(x, step, decay[None], enter, leave, engine=engine)[:, :, 0]
    if torch.compiler.is_compiling():
        return (_node if _exporting() else _doubled)(x, step, decay, enter, leave)
    _check(x, step, decay, enter, leave)
    if not x.numel():
        return torch.zeros_like(x)
    kind = x.dtype
    with torch.autocast(x.device.type, enabled=False):
        wide = torch.promote_types(kind, torch.float32)
        parts = (v.to(wide) for v in (x, step, decay, enter, leave))
        y: Tensor = (_Blocks.apply if engine == "blocks" else _doubled)(*parts)
    return y.to(kind)


class _Blocks(torch.autograd.Function):
    """Within, time comes first and states are (B, G, N, D): what is summed over N is then summed along columns."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor, decay: Tensor, enter: Tensor, leave: Tensor) -> Tensor:
        x, step, enter, leave = (v.transpose(0, 1).contiguous() for v in (x, step, enter, leave))
        decay, moved = decay.transpose(1, 2).contiguous(), step * x
        cuts = _cuts(x, decay)
        starts = x.new_zeros(len(cuts) + 1, x.shape[1], *decay.shape)
        keep, state = (x.new_empty(cuts[0][1], *starts.shape[1:]) for _ in range(2))
        said = torch.empty_like(x)
        for number, (begin, end) in enumerate(cuts):
            part, inside = slice(begin, end), slice(end - begin)
            _advance(starts[number], keep[inside], state[inside], step[part], moved[part], decay, enter[part])
            torch.matmul(leave[part, ..., None, :], state[inside], out=said[part, ..., None, :])
            starts[number + 1].copy_(state[end - begin - 1])
        ctx.save_for_backward(x, step, decay, enter, leave, starts)
        ctx.cuts = cuts
        return said.transpose(0, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, ...]:
        x, step, decay, enter, leave, starts = ctx.saved_tensors
        slope, moved = slope.transpose(0, 1).contiguous(), step * x
        of_moved, of_step = torch.empty_like(x), torch.empty_like(x)
        of_enter, of_leave = torch.empty_like(enter), torch.empty_like(leave)
        of_decay, later = torch.zeros_like(decay), torch.zeros_like(starts[0])
        keep, grown, spare = (x.new_empty(ctx.cuts[0][1], *starts.shape[1:]) for _ in range(3))
        states = x.new_empty(ctx.cuts[0][1] + 1, *starts.shape[1:])
        for number, (begin, end) in reversed([*enumerate(ctx.cuts)]):
            part, count = slice(begin, end), end - begin
            k, g, w, before, h = keep[:count], grown[:count], spare[:count], states[:count], states[1 : count + 1]
            states[0].copy_(starts[number])
            _advance(states[0], k, h, step[part], moved[part], decay, enter[part])
            torch.mul(slope[part, ..., None, :], leave[part, ..., None], out=g)
            _return(later, k, g)  # g is now the gradient of every state
            torch.matmul(enter[part, ..., None, :], g, out=of_moved[part, ..., None, :])
            torch.sum(torch.mul(g, moved[part, ..., None, :], out=w), -1, out=of_enter[part])
            torch.sum(torch.mul(h, slope[part, ..., None, :], out=w), -1, out=of_leave[part])
            g.mul_(before).mul_(k)  # the gradient of step A, in the exponent
            of_decay += torch.mul(g, step[part, ..., None, :], out=w).sum((0, 1))
            torch.sum(g.mul_(decay), -2, out=of_step[part])
        of_step.addcmul_(of_moved, x)
        found = (of_moved.mul_(step), of_step, of_enter, of_leave)
        of_x, of_step, of_enter, of_leave = (v.transpose(0, 1) for v in found)
        return of_x, of_step, of_decay.transpose(1, 2), of_enter, of_leave


def _cuts(x: Tensor, decay: Tensor) -> list[tuple[int, int]]:
    """Return first and last sample (excluded) of the blocks of time; the first is never shorter than another."""
    count, one = x.shape[0], x.shape[1] * decay.numel()
    length = max(1, min(count, (CACHED if x.device.type == "cpu" else AT_ONCE) // one))
    return [(begin, min(begin + length, count)) for begin in range(0, count, length)]


def _advance(
    start: Tensor, keep: Tensor, state: Tensor, step: Tensor, moved: Tensor, decay: Tensor, enter: Tensor
) -> None:
    """Fill ``keep`` with what stays at each step, and ``state`` with the states."""
    torch.mul(step[..., None, :], decay, out=keep).exp_()
    torch.mul(moved[..., None, :], enter[..., None], out=state)
    last = start
    for stays, now in zip(keep.unbind(0), state.unbind(0), strict=True):
        now.addcmul_(stays, last)
        last = now


def _return(later: Tensor, keep: Tensor, grown: Tensor) -> None:
    """Add to the gradient of each state what comes from the next; ``later`` is what enters and leaves the block."""
    stays, slopes = keep.unbind(0), grown.unbind(0)
    slopes[-1].add_(later)
    for now in range(len(slopes) - 1, 0, -1):
        slopes[now - 1].addcmul_(stays[now], slopes[now])
    torch.mul(stays[0], slopes[0], out=later)


def _doubled(x: Tensor, step: Tensor, decay: Tensor, enter: Tensor, leave: Tensor) -> Tensor:
    """Each pass composes every step with the one 1, 2, 4, ... before it (Hillis and Steele, CACM 1986)."""
    keep = torch.exp(step[..., None, :] * decay.transpose(1, 2))
    state = (step * x)[..., None, :] * enter[..., None]
    reach, count = 1, x.shape[1]
    while reach < count:
        state = torch.cat([state[:, :reach], torch.addcmul(state[:, reach:], keep[:, reach:], state[:, :-reach])], 1)
        keep = torch.cat([keep[:, :reach], keep[:, reach:] * keep[:, :-reach]], 1)
        reach *= 2
    return torch.matmul(leave[..., None, :], state)[..., 0, :]


def _node(x: Tensor, step: Tensor, decay: Tensor, enter: Tensor, leave: Tensor) -> Tensor:
    """Say it as a loop that torch exports whole: eleven nodes for any T, instead of some for every sample."""
    from torch._higher_order_ops.scan import scan

    # what has gradients is exported with them; and a state must have one memory layout before and after each step
    x, step, decay, enter, leave = (v.detach() for v in (x, step, decay, enter, leave))
    rates = decay.transpose(1, 2).clone(memory_format=torch.contiguous_format)

    def one(state: Tensor, now: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        step, moved, enter, leave = now
        state = torch.exp(step[..., None, :] * rates) * state + enter[..., None] * moved[..., None, :]
        return state, torch.matmul(leave[..., None, :], state)[..., 0, :].clone()

    parts = tuple(v.transpose(0, 1).contiguous() for v in (step, step * x, enter, leave))
    said: Tensor = scan(one, x.new_zeros(x.shape[0], *rates.shape), parts, dim=0)[1]
    return said.transpose(0, 1)


def _exporting() -> bool:
    return bool(getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)())


def _check(x: Tensor, step: Tensor, decay: Tensor, enter: Tensor, leave: Tensor) -> None:
    if x.ndim == 4 and decay.ndim == 3 and decay.shape[:2] == x.shape[2:]:
        read = (*x.shape[:3], decay.shape[2])
        if step.shape == x.shape and enter.shape == leave.shape == read:
            return
    given = ", ".join(str(tuple(v.shape)) for v in (x, step, decay, enter, leave))
    raise UsageError(
        f"Shapes {given} were given.", "Give x and step (B, T, G, D), decay (G, D, N), enter and leave (B, T, G, N)."
    )
