"""How much of a pulse is left after compression: the stand-in beside the codecs it stands for, and how fast it is.

python benchmarks/codec.py [--faces 3] [--seconds 10] [--out docs/results/codec.md]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from perfuse.synth.camera.codec import compress

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from codec_scene import SWING, face_like, real, surviving

HEIGHT, WIDTH = 256, 208
GRADES = {
    "h264": ("libx264", (10, 18, 23, 28, 33), lambda q: {"crf": q, "preset": "medium"}),
    "mpeg4": ("mpeg4", (2, 5, 10, 20), lambda q: {"qmin": q, "qmax": q}),
    "mjpeg": ("mjpeg", (2, 8, 20), lambda q: {"qmin": q, "qmax": q}),
}
SIZES = ((1, 36, 36, 4.0), (1, 72, 72, 2.5), (8, 72, 72, 2.5), (1, 144, 144, 1.0), (1, 256, 352, 1.0))
"""Clips, height, width, camera pixels per pixel."""


def shrunk(frames: np.ndarray, scale: int) -> np.ndarray:
    """Average ``scale`` x ``scale`` pixels."""
    count, channels, height, width = frames.shape
    blocks = frames.reshape(count, channels, height // scale, scale, width // scale, scale)
    return blocks.astype(np.float32).mean((3, 5))


def survival(faces: int, seconds: float, folder: Path) -> Iterator[str]:
    """Yield lines of the table of surviving pulses."""
    clips = [
        face_like(seed, round(30 * seconds), HEIGHT, WIDTH, noise=(1.0, 2.0, 1.5)[seed % 3]) for seed in range(faces)
    ]
    yield f"Fundamental of green before: {100 * SWING:.3f} %. Mean over {faces} drawn faces of {seconds:g} s; in"
    yield "brackets the rest of green's pulse band, root mean square in % of a patch's mean. Real encoders by FFmpeg."
    yield ""
    yield "| codec | quality | kb/s | real R / G / B % (rest) | stand-in R / G / B % (rest) | G at 1/2 size | 1/4 |"
    yield "|---|---|---|---|---|---|---|"
    for mode, (codec, grades, options) in GRADES.items():
        for quality in grades:
            rows, rate = [], 0.0
            for frames, path in clips:
                coded, kilobits = real(frames, folder, codec, **options(quality))
                rate += kilobits / faces
                found = [surviving(coded, path)]
                found.append(surviving(compress(frames.astype(np.float32), quality, mode=mode, motion=path), path))
                for scale in (2, 4):
                    small = compress(shrunk(frames, scale), quality, mode=mode, motion=path / scale, scale=scale)
                    found.append(surviving(small, path, scale))
                rows.append(found)
            size, rest = np.mean(rows, axis=0).transpose(1, 0, 2)
            cells = [f"{' / '.join(f'{v:.3f}' for v in size[k])} ({rest[k][1]:.3f})" for k in (0, 1)]
            cells += [f"{size[k][1]:.3f}" for k in (2, 3)]
            yield f"| {mode} | {quality} | {rate:.0f} | {' | '.join(cells)} |"


def speed() -> Iterator[str]:
    """Yield lines of the table of speeds: noise on still pictures, best of three."""
    yield "| clips x height x width, scale | numpy, frames/s | torch CPU, frames/s |"
    yield "|---|---|---|"
    rng = np.random.default_rng(0)
    for batch, height, width, scale in SIZES:
        still = rng.uniform(60, 200, (batch, 1, 3, height, width))
        clip = np.clip(still + rng.normal(0, 1.5, (batch, 30, 3, height, width)), 0, 255).astype(np.float32)
        cells = []
        for array in (clip, _tensor(clip)):
            if array is None:
                cells.append("-")
                continue
            best = np.inf
            for _ in range(3):
                begin = time.perf_counter()
                compress(array, 24, scale=scale)
                best = min(best, time.perf_counter() - begin)
            cells.append(f"{batch * 30 / best:.0f}")
        yield f"| {batch} x {height} x {width}, {scale:g} | {' | '.join(cells)} |"


def _tensor(clip: np.ndarray):
    """Return the same as a tensor, or None without torch."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    return torch.from_numpy(clip)


def main() -> None:
    """Print both tables and, where asked, write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    lines = ["# The stand-in for video codecs", ""]
    with tempfile.TemporaryDirectory() as folder:
        for line in survival(asked.faces, asked.seconds, Path(folder)):
            print(line, flush=True)
            lines.append(line)
    for line in ("", *speed()):
        print(line, flush=True)
        lines.append(line)
    if asked.out:
        asked.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
