"""What Mamba's selective scan costs: ours, other ways to run it, and the recurrence as it is written; torch and ONNX.

Plain is the loop of Mamba's reference: decays and gains of all samples first, then one sample after the other by its
index, and autograd through all of it. Unbound is the same loop with the samples taken apart once, which spares
autograd most of its copies. Both share no code with ours. In ONNX plain is a graph that is unrolled for the length.

    OMP_NUM_THREADS=2 python benchmarks/scan.py [--threads 1 2] [--repeat 9] [--network] [--out docs/results/scan.md]

With ``--network`` also whole networks, beside RhythmMamba: true parameters, multiplications, time of a clip.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import statistics
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from perfuse.bench.machine import machine
from perfuse.nn.scan import selective_scan

FRAMES, INNER, STATES = 160, 128, 48
Parts = list[Tensor]


def plain(x: Tensor, step: Tensor, decay: Tensor, enter: Tensor, leave: Tensor) -> Tensor:
    keep = torch.exp(step[..., None] * decay)
    gain = (step * x)[..., None] * enter[:, :, :, None]
    state, said = torch.zeros_like(gain[:, 0]), []
    for now in range(x.shape[1]):
        state = keep[:, now] * state + gain[:, now]
        said.append((state * leave[:, now, :, None]).sum(-1))
    return torch.stack(said, 1)


def unbound(x: Tensor, step: Tensor, decay: Tensor, enter: Tensor, leave: Tensor) -> Tensor:
    keep = torch.exp(step[..., None] * decay)
    gain = (step * x)[..., None] * enter[:, :, :, None]
    state, states = torch.zeros_like(gain[:, 0]), []
    for stays, comes in zip(keep.unbind(1), gain.unbind(1), strict=True):
        state = torch.addcmul(comes, stays, state)
        states.append(state)
    return (torch.stack(states, 1) @ leave[..., None])[..., 0]


def doubled(*parts: Tensor) -> Tensor:
    return selective_scan(*parts, engine="doubling")


WAYS: dict[str, Callable[..., Tensor]] = {
    "plain": plain,
    "unbound": unbound,
    "doubling": doubled,
    "ours": selective_scan,
}


def drawn(batch: int) -> Parts:
    made = torch.Generator().manual_seed(0)
    x, step = (torch.randn(batch, FRAMES, 1, INNER, generator=made) for _ in range(2))
    enter, leave = (torch.randn(batch, FRAMES, 1, STATES, generator=made) for _ in range(2))
    decay = -torch.arange(1.0, STATES + 1).repeat(1, INNER, 1)
    return [v.requires_grad_() for v in (x, nn.functional.softplus(step), decay, enter, leave)]


def timed(call: Callable[[], object], repeat: int) -> tuple[float, float]:
    """Milliseconds, median and least, after one to warm up."""
    call()
    spent = []
    for _ in range(repeat):
        begin = time.perf_counter()
        call()
        spent.append(1000 * (time.perf_counter() - begin))
    return statistics.median(spent), min(spent)


def slopes(way: Callable[..., Tensor], parts: Parts, weight: Tensor) -> tuple[Tensor, ...]:
    said = way(*parts)
    return said, *torch.autograd.grad((said * weight).sum(), parts)


def learning(repeat: int) -> list[str]:
    rows = [
        "| threads | batch | way | forward, ms (least) | forward and backward, ms (least) | times sooner (of least) "
        "| values, gradients differ by |",
        "|---|---|---|---|---|---|---|",
    ]
    threads = torch.get_num_threads()
    for batch in (1, 8):
        parts = drawn(batch)
        bare = [v.detach() for v in parts]
        weight = torch.randn(parts[0].shape, generator=torch.Generator().manual_seed(1))
        wanted, first = None, (1.0, 1.0)
        for name, way in WAYS.items():
            often = min(repeat, 3) if name == "plain" else repeat
            forward = timed(partial(way, *bare), often)
            both = timed(partial(slopes, way, parts, weight), often)
            found = slopes(way, parts, weight)
            if wanted is None:
                wanted, first = found, both
            apart = [((a - b).abs().max() / b.abs().max().clamp(min=1)).item() for a, b in zip(found, wanted)]
            rows.append(
                f"| {threads} | {batch} | {name} | {forward[0]:.1f} ({forward[1]:.1f}) "
                f"| {both[0]:.1f} ({both[1]:.1f}) | {first[0] / both[0]:.1f} ({first[1] / both[1]:.1f}) "
                f"| {apart[0]:.0e}, {max(apart[1:]):.0e} |"
            )
    return rows


class _As(nn.Module):
    def __init__(self, way: Callable[..., Tensor]) -> None:
        super().__init__()
        self.way = way

    def forward(self, x: Tensor, step: Tensor, decay: Tensor, enter: Tensor, leave: Tensor) -> Tensor:
        return self.way(x, step, decay, enter, leave)


def exported(module: nn.Module, parts: Parts, fixed: bool) -> bytes:
    auto = torch.export.Dim.AUTO
    free = tuple({0: auto, 1: auto} if v.ndim > 3 and not fixed else {} for v in parts)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module, tuple(parts), dynamo=True, dynamic_shapes=free, opset_version=18, verbose=False
        )
    buffer = io.BytesIO()
    program.save(buffer)
    return buffer.getvalue()


def graphs() -> dict[str, tuple[bytes, float]]:
    """Export the plain loop, unrolled, and ours, which takes any length; and say how many seconds it took."""
    parts = [v.detach() for v in drawn(2)]
    made = {}
    for name, way, fixed in (("plain", unbound, True), ("ours", selective_scan, False)):
        begin = time.perf_counter()
        content = exported(_As(way), [v[:1] if fixed and v.ndim > 3 else v for v in parts], fixed)
        made[name] = content, time.perf_counter() - begin
    return made


def measuring(made: dict[str, tuple[bytes, float]], threads: int, repeat: int) -> list[str]:
    import onnx
    import onnxruntime

    rows = [
        "| threads | graph | nodes | kB | exported in, s | loaded in, ms | a clip, ms (least) | differs by |",
        "|---|---|---|---|---|---|---|---|",
    ]
    parts = [v.detach() for v in drawn(1)]
    with torch.no_grad():
        wanted = plain(*parts).numpy()
    for name, (content, took) in made.items():
        how = onnxruntime.SessionOptions()
        how.intra_op_num_threads = threads
        begin = time.perf_counter()
        session = onnxruntime.InferenceSession(content, how, providers=["CPUExecutionProvider"])
        opened = 1000 * (time.perf_counter() - begin)
        fed = {part.name: value.numpy() for part, value in zip(session.get_inputs(), parts, strict=True)}
        median, least = timed(lambda s=session, f=fed: s.run(None, f), repeat)
        apart = np.abs(session.run(None, fed)[0] - wanted).max()
        nodes = len(onnx.load_from_string(content).graph.node)
        rows.append(
            f"| {threads} | {name} | {nodes} | {len(content) / 1000:.0f} | {took:.1f} | {opened:.0f} | {median:.2f} "
            f"({least:.2f}) | {apart:.0e} |"
        )
    return rows


def networks(repeat: int) -> list[str]:
    from torch.utils.flop_counter import FlopCounterMode

    from perfuse.papers.lq_rppg.model import C2F
    from perfuse.papers.lq_rppg.stem import STEMS
    from perfuse.papers.zoo.rhythm_mamba import RhythmMamba

    made: dict[str, tuple[nn.Module, int]] = {"RhythmMamba": (RhythmMamba(), 128)}
    made |= {f"LQ-rPPG, {stem}, mamba": (C2F(stem), spec.size) for stem, spec in STEMS.items()}
    made |= {f"LQ-rPPG, grid, {mixer}": (C2F("grid", mixer), 9) for mixer in ("gru", "conv")}
    rows = [
        "| network | pixels or cells | true parameters | million MACs a frame | of them the scan's | a clip of 160 "
        "frames, ms (least) | frames/s |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, (network, size) in made.items():
        clip = torch.rand(1, 3, FRAMES, size, size, generator=torch.Generator().manual_seed(0)) * 255
        with torch.no_grad(), FlopCounterMode(display=False) as counted:
            network.eval()(clip)
        scan = scans(network)
        median, least = timed(lambda n=network, c=clip: _asked(n, c), min(repeat, 3 if size > 64 else repeat))
        rows.append(
            f"| {name} | {size} | {sum(p.numel() for p in network.parameters()):,} "
            f"| {counted.get_total_flops() / 2e6 / FRAMES + scan / 1e6:.2f} | {scan / 1e6:.2f} | {median:.0f} "
            f"({least:.0f}) | {1000 * FRAMES / median:.0f} |"
        )
    return rows


def scans(network: nn.Module) -> float:
    """Multiplications of the recurrences a frame: four for each state (its decay, itself, what enters, what leaves).

    RhythmMamba scans four copies of half as many tokens.
    """
    from perfuse.nn.mamba import BiMamba
    from perfuse.papers.zoo.rhythm_mamba import PARTS, RhythmMamba

    times = PARTS / 2 if isinstance(network, RhythmMamba) else 1
    return times * sum(4 * part.log_decay.numel() for part in network.modules() if isinstance(part, BiMamba))


def _asked(network: nn.Module, clip: Tensor) -> object:
    with torch.inference_mode():
        return network(clip)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--network", action="store_true")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    made = graphs()
    lines = [
        "# The selective scan: forward, backward, and in ONNX",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}. {machine()}, torch {torch.__version__}. T = {FRAMES}, {INNER} channels (a"
        f" model of width {INNER // 2}), {STATES} states, one direction, float32; median of {asked.repeat} (plain in"
        f" torch: {min(asked.repeat, 3)}) after one to warm up. The machine was shared: look at the least too. Made"
        " by `python benchmarks/scan.py`.",
        "",
    ]
    for threads in asked.threads:
        torch.set_num_threads(threads)
        lines += [*learning(asked.repeat), "", *measuring(made, threads, asked.repeat), ""]
    if asked.network:
        torch.set_num_threads(asked.threads[0])
        lines += [f"Whole networks in torch, batch 1, threads: {asked.threads[0]}.", "", *networks(asked.repeat), ""]
    text = "\n".join(lines)
    print(text)
    if asked.out:
        asked.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
