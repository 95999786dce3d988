"""Subjects: one seeded person with everything that is true about them, seen by a camera or as bare traces."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import UsageError
from perfuse.core.view import REGIONS
from perfuse.synth.camera import NOISE_RGB, draw_sprite, expose, frame_times, noise_tile, noise_window
from perfuse.synth.fields import F32, F64, GRID_HZ, coloured, power_law
from perfuse.synth.heart import Heart, beat
from perfuse.synth.light import Light, draw_light
from perfuse.synth.look import Look, draw_look
from perfuse.synth.lungs import Breathing, breathe, mean_rate
from perfuse.synth.motion import MOTIONS, Motion, move
from perfuse.synth.scene import STILL, SUPER, Scene, build_scene
from perfuse.synth.shape import HALF_FACE_MM
from perfuse.synth.skin import Skin, draw_skin, linear_to_srgb
from perfuse.video.write import write_video

SURROUND_S = 12.0
"""Heart and lungs run this long before and after the recording, so that its ends are like its middle."""

_STREAMS = (
    "vitals",
    "lungs",
    "heart",
    "skin",
    "look",
    "light",
    "paint",
    "motion",
    "drift",
    "camera",
    "noise",
    "trace",
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What :func:`subject` was asked for, with everything left open drawn from the seed; see there."""

    seed: int
    duration_s: float
    rate_hz: float
    width: int
    height: int
    heart_rate: float
    respiratory_rate: float
    motion: str
    light_drift: float
    noise: float
    jitter_s: float
    drop: float
    no_pulse: bool


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What a perfect measurement would find.

    Attributes
    ----------
    heart_rate, respiratory_rate : float
        Per minute: beats and breaths that pass from the first moment to the last, over that time.
    beats_s : ndarray, float64
        Feet of the pulse waves within the recording, in s.
    breaths_s : ndarray, float64
        Begins of inspiration within the recording, in s.
    tone : int
        Monk skin tone, 1 to 10.
    pulse_depth : float
        Peak-to-peak swing of diffuse green light as a fraction of its mean; 0 without a pulse.
    """

    heart_rate: float
    respiratory_rate: float
    beats_s: F64
    breaths_s: F64
    tone: int
    pulse_depth: float
    _heart: Heart
    _lungs: Breathing

    def pulse(self, time_s: NDArray[np.floating] | float) -> F64:
        """Blood volume of the face at any times, rising with volume, peak to peak about 1."""
        return self._heart.at(np.asarray(time_s, np.float64))

    def respiration(self, time_s: NDArray[np.floating] | float) -> F64:
        """Lung volume at any times, 0 at rest and about 1 after a normal inspiration."""
        return self._lungs.at(np.asarray(time_s, np.float64))


@dataclass(frozen=True, eq=False)
class Subject:
    """One person before one camera. Painted when the first frame or trace is asked for.

    Attributes
    ----------
    settings : Settings
        Everything that was asked for or drawn.
    times_s : ndarray, float64, (T,)
        Capture time of every frame, from 0.
    truth : Truth
        Rates, beats, breaths and waves.
    """

    settings: Settings
    times_s: F64
    truth: Truth
    skin: Skin
    look: Look
    light: Light

    @cached_property
    def scene(self) -> Scene:
        """Painted and lit parts."""
        s = self.settings
        return build_scene(_stream(s.seed, "paint"), self.look, self.skin, self.light, s.height, s.width)

    @cached_property
    def motion(self) -> Motion:
        """Where head and trunk are at each frame."""
        s, truth = self.settings, self.truth
        heart = truth._heart
        if s.no_pulse:
            heart = Heart(np.zeros(0), heart.start_s, heart.wave, heart.slow)
        return move(_stream(s.seed, "motion"), s.motion, self.times_s, truth._lungs, heart)

    @cached_property
    def weights(self) -> tuple[F32, F32]:
        """Weight of every picture at every frame (T, J), and the strength of all light (T,)."""
        s, t = self.settings, self.times_s
        rng = _stream(s.seed, "drift")
        span = float(t[-1]) + 1.0
        grid = np.arange(int(np.ceil(span * GRID_HZ)) + 1) / GRID_HZ
        corner = 1.0 / (2.0 * np.pi * rng.uniform(5.0, 60.0))
        whole, key = (np.interp(t, grid, coloured(rng, span, power_law(2.0, corner))) for _ in range(2))
        step = 0.5 / 250.0
        heart = self.truth._heart
        slope = (heart.at(t + step) - heart.at(t - step)) / (2.0 * step)
        columns = [np.ones_like(t), 0.5 * s.light_drift * key, *self.motion.head_rad.T]
        columns += [heart.at(t), slope, heart.slow_at(t)]
        strength = np.maximum(1.0 + s.light_drift * whole, 0.05)
        return np.stack(columns, axis=1).astype(np.float32), strength.astype(np.float32)

    def frames(self) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        """Render the frames one by one: capture time in s and an (H, W, 3) uint8 sRGB picture."""
        s = self.settings
        tile = None
        if s.noise > 0:
            tile = noise_tile(_stream(s.seed, "camera", 1), s.height + 192, s.width + 192, s.noise)
        for index, time in enumerate(self.times_s):
            noise = None
            if tile is not None:
                noise = noise_window(tile, _stream(s.seed, "noise", index), s.height, s.width)
            yield float(time), expose(self._light_on_sensor(index), noise)

    def photo(self) -> NDArray[np.uint8]:
        """Return one clean portrait, (H, W, 3) uint8: at rest, eyes open, no noise."""
        return expose(
            self._compose(np.eye(1, 8, dtype=np.float32)[0], (0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0), 0.0), None
        )

    def trace(self, regions: tuple[str, ...] = ("skin",)) -> F32:
        """Mean colour of skin regions at every frame, without rendering: same light, same curve, no 8-bit steps.

        The regions are followed perfectly. Averages run over an even sample of each region's pixels, and sensor
        noise is that of the whole region.

        Parameters
        ----------
        regions : tuple of str
            Names from :data:`perfuse.core.view.REGIONS`.

        Returns
        -------
        ndarray, float32, (T, R, 3)
            Red, green, blue, 0..255, at :attr:`times_s`.
        """
        for name in regions:
            if name not in REGIONS:
                raise UsageError(f"There is no skin region called {name!r}.", f"Available: {', '.join(REGIONS)}.")
        weights, strength = self.weights
        pictures = self.scene.head.pictures
        out = np.empty((len(strength), len(regions), 3), np.float32)
        for column, name in enumerate(regions):
            area = self.scene.regions[name].ravel()
            pixels = np.flatnonzero(area > 0.5)
            if not len(pixels):
                raise UsageError(f"This subject shows no bare skin in the region {name!r}.", "Choose another region.")
            some = pixels[:: max(1, len(pixels) // 300)]
            sample = pictures[:, :3, some].reshape(weights.shape[1], -1)
            light = np.clip((weights @ sample) * strength[:, None], 0.0, 1.0)
            level = 255.0 * linear_to_srgb(light).reshape(len(strength), 3, len(some)).mean(axis=2)
            sd = self.settings.noise * np.sqrt(7.0 * SUPER**2 / len(pixels)) * np.array(NOISE_RGB)
            rng = _stream(self.settings.seed, "trace", REGIONS.index(name))
            out[:, column] = level + sd * rng.standard_normal(level.shape)
        return out

    def write(
        self,
        path: str | Path,
        *,
        quality: int = 12,
        truth_path: str | Path | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Render to a video file.

        Parameters
        ----------
        path : str or Path
            What to write; the name decides the container.
        quality : int
            x264's constant rate factor, 0 to 51. The fastest preset keeps the pulse best at a given factor: it does
            without the deblocking and the psychovisual rounding that the slower ones spend on looks.
        truth_path : str or Path, optional
            Where to write what is true, as JSON.
        progress : callable, optional
            Called with (frames done, frames in all) after each frame.
        """
        def watched() -> Iterator[tuple[float, NDArray[np.uint8]]]:
            for done, item in enumerate(self.frames(), 1):
                yield item
                if progress is not None:
                    progress(done, len(self.times_s))

        _check(("quality", quality, 0, 51, True))
        options = {"crf": str(quality), "preset": "ultrafast", "threads": "1"}  # one thread: the same bytes anywhere
        write_video(path, watched(), options=options, nominal_rate_hz=self.settings.rate_hz)
        if truth_path is not None:
            Path(truth_path).write_text(json.dumps(self.describe(), indent=1) + "\n", encoding="utf-8")

    def describe(self) -> dict[str, object]:
        """Return settings and truth as plain values for JSON."""
        t = self.truth
        truth = {"heart_rate": t.heart_rate, "respiratory_rate": t.respiratory_rate, "tone": t.tone}
        events = {
            "beats_s": [round(b, 4) for b in t.beats_s.tolist()],
            "breaths_s": [round(b, 4) for b in t.breaths_s.tolist()],
        }
        return {"settings": asdict(self.settings), "truth": {**truth, "pulse_depth": t.pulse_depth, **events}}

    def _light_on_sensor(self, index: int) -> F32:
        """Linear light of one frame."""
        weights, strength = self.weights
        scale = self.scene.unit * SUPER / HALF_FACE_MM
        motion = self.motion
        head, body = motion.head_mm[index] * scale, motion.body_mm[index] * scale
        turn = motion.head_rad[index]
        light = self._compose(
            weights[index], (head[0], head[1]), (turn[0], turn[1], turn[2]), (body[0], body[1]), motion.blink[index]
        )
        light *= strength[index]
        return light

    def _compose(
        self,
        weights: F32,
        head: tuple[float, float],
        turn: tuple[float, float, float],
        body: tuple[float, float],
        blink: float,
    ) -> F32:
        """Trunk, then head, over the room; positions in texture pixels."""
        scene = self.scene
        unit = scene.unit * SUPER
        frame = scene.background.copy()
        trunk = _weigh(weights[list(STILL)], scene.body.pictures)
        draw_sprite(frame, scene.body, trunk, body, (0.0, 0.0, 0.0), unit)
        picture = _weigh(weights, scene.head.pictures)
        if blink > 0:
            picture.reshape(4, *scene.head.shape)[:, scene.blink_rows] += np.float32(blink) * scene.blink
        draw_sprite(frame, scene.head, picture, head, turn, unit)
        return frame


def subject(
    seed: int,
    *,
    duration_s: float = 45.0,
    rate_hz: float = 30.0,
    width: int = 480,
    height: int = 360,
    heart_rate: float | None = None,
    respiratory_rate: float | None = None,
    tone: int | None = None,
    motion: str = "still",
    pulse_depth: float | None = None,
    light_drift: float | None = None,
    noise: float | None = None,
    jitter_s: float = 0.0,
    drop: float = 0.0,
    no_pulse: bool = False,
) -> Subject:
    """Make one person. The same arguments give the same person, whatever was made before.

    Every room (heart, lungs, skin, look, light, motion, camera) has a stream of chance of its own, so asking for
    another heart rate changes neither the face nor its motion.

    Parameters
    ----------
    seed : int
        0 or above; decides all that is left open.
    duration_s, rate_hz : float
        Length (1 to 3600 s) and nominal frames per second (5 to 240).
    width, height : int
        Frame size, 64 to 4096 pixels.
    heart_rate, respiratory_rate : float, optional
        Mean rates per minute, 35 to 230 and 4 to 90; by default those of resting adults.
    tone : int, optional
        Monk skin tone, 1 (lightest) to 10.
    motion : str
        ``none``, ``tripod``, ``still`` (holds a phone, sits) or ``restless``.
    pulse_depth : float, optional
        Peak-to-peak swing of diffuse green light as a fraction, 0 to 0.05; by default about 0.0075.
    light_drift : float, optional
        Relative standard deviation of slow changes of the light, 0 to 0.5; by default 0.0005 to 0.003.
    noise : float, optional
        Sensor noise of green in grey levels, 0 to 20; by default about 1.
    jitter_s : float
        Standard deviation of the capture times about the nominal ones, 0 to 0.1.
    drop : float
        Share of the frames that are lost, 0 to 0.5.
    no_pulse : bool
        Take all blood pulsation and recoil away (a mask, a doll): nothing may be measured.

    Raises
    ------
    UsageError
        If a value lies outside its range.
    """
    _check(
        ("seed", seed, 0, 2**63, True),
        ("duration_s", duration_s, 1, 3600, False),
        ("rate_hz", rate_hz, 5, 240, False),
        ("width", width, 64, 4096, True),
        ("height", height, 64, 4096, True),
        ("heart_rate", heart_rate, 35, 230, False),
        ("respiratory_rate", respiratory_rate, 4, 90, False),
        ("tone", tone, 1, 10, True),
        ("pulse_depth", pulse_depth, 0, 0.05, False),
        ("light_drift", light_drift, 0, 0.5, False),
        ("noise", noise, 0, 20, False),
        ("jitter_s", jitter_s, 0, 0.1, False),
        ("drop", drop, 0, 0.5, False),
    )
    if motion not in MOTIONS:
        raise UsageError(f"There is no motion called {motion!r}.", f"Available: {', '.join(MOTIONS)}.")
    rng = _stream(seed, "vitals")
    pulse_rate = float(np.clip(rng.normal(72.0, 11.0), 48.0, 110.0))
    breath_rate = float(np.clip(rng.normal(15.0, 3.5), 8.0, 26.0))
    drift = float(np.exp(rng.uniform(np.log(0.0005), np.log(0.003))))
    grain = float(np.clip(np.exp(0.15 * rng.standard_normal()), 0.7, 1.5))
    settings = Settings(
        int(seed),
        float(duration_s),
        float(rate_hz),
        int(width),
        int(height),
        pulse_rate if heart_rate is None else float(heart_rate),
        breath_rate if respiratory_rate is None else float(respiratory_rate),
        motion,
        drift if light_drift is None else float(light_drift),
        grain if noise is None else float(noise),
        float(jitter_s),
        float(drop),
        bool(no_pulse),
    )
    skin = draw_skin(_stream(seed, "skin"), tone, 0.0 if no_pulse else pulse_depth)
    times = frame_times(_stream(seed, "camera"), settings.duration_s, settings.rate_hz, jitter_s, drop)
    truth = _live(settings, skin, float(times[-1]))
    look = draw_look(_stream(seed, "look"), skin.tone)
    return Subject(settings, times, truth, skin, look, draw_light(_stream(seed, "light")))


def _live(settings: Settings, skin: Skin, last_s: float) -> Truth:
    """Let heart and lungs run through the recording."""
    lungs = breathe(_stream(settings.seed, "lungs"), settings.respiratory_rate, SURROUND_S, last_s)
    heart = beat(_stream(settings.seed, "heart"), settings.heart_rate, lungs, last_s)
    beats, breaths = heart.beats_s, lungs.onsets_s
    return Truth(
        heart_rate=mean_rate(beats, last_s),
        respiratory_rate=mean_rate(breaths, last_s),
        beats_s=beats[(beats >= 0) & (beats <= last_s)],
        breaths_s=breaths[(breaths >= 0) & (breaths <= last_s)],
        tone=skin.tone,
        pulse_depth=skin.depth,
        _heart=heart,
        _lungs=lungs,
    )


def _weigh(weights: F32, pictures: F32) -> F32:
    """Sum pictures (J, 4, N) by their weights."""
    return (weights @ pictures.reshape(len(weights), -1)).reshape(pictures.shape[1:])


def _stream(seed: int, room: str, index: int = 0) -> np.random.Generator:
    """Return a room's own source of chance."""
    return np.random.default_rng([seed, _STREAMS.index(room), index])


def _check(*limits: tuple[str, float | None, float, float, bool]) -> None:
    """Refuse values outside [low, high], and fractions where whole numbers are needed."""
    for name, value, low, high, whole in limits:
        if value is None:
            continue
        kind = "a whole number" if whole else "a number"
        good = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
        if not good or not math.isfinite(value) or (whole and value != int(value)) or not low <= value <= high:
            raise UsageError(f"{name} = {value!r} was given.", f"Pass {kind} from {low:g} to {high:g}.")
