"""Subjects: one seeded person with everything that is true about them, seen by a camera or as bare traces."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import OutputError, UsageError
from perfuse.core.view import REGIONS
from perfuse.synth.camera.sensor import (
    NOISE_GAIN,
    NOISE_RGB,
    draw_sprite,
    expose,
    frame_times,
    noise_tile,
    noise_window,
)
from perfuse.synth.fields import F64, GRID_HZ, Field, coloured, power_law
from perfuse.synth.person.look import Look, draw_look
from perfuse.synth.person.shape import HALF_FACE_MM
from perfuse.synth.person.skin import Skin, draw_skin, linear_to_srgb
from perfuse.synth.scene.build import COMPONENTS, STILL, SUPER, Scene, build_scene
from perfuse.synth.scene.light import Light, draw_light
from perfuse.synth.scene.motion import Motion, move
from perfuse.synth.settings import Settings, check, settle, stream
from perfuse.synth.truth import Truth, live
from perfuse.video.write import write_video

NOISE_MARGIN = 192
"""How many pixels larger than a frame the noise is that frames are cut from."""

SAMPLE = 400
"""Pixels of a region that a trace averages."""


@dataclass(frozen=True, eq=False)
class Subject:
    """One person before one camera, painted when the first frame or trace is asked for.

    Attributes
    ----------
    settings : Settings
        Everything that was asked for or drawn.
    times_s : ndarray, float64, (T,)
        Capture time of every frame, from 0.
    truth : Truth
        Rates, beats, breaths and waves.
    skin, look, light : Skin, Look, Light
        What the person is like and where the light stands.
    """

    settings: Settings
    times_s: F64
    truth: Truth
    skin: Skin
    look: Look
    light: Light

    @cached_property
    def scene(self) -> Scene:
        """Everything painted and lit."""
        s = self.settings
        return build_scene(stream(s.seed, "paint"), self.look, self.skin, self.light, s.height, s.width)

    @cached_property
    def motion(self) -> Motion:
        """Where head and trunk are at each frame."""
        s = self.settings
        beats = self.truth.heart.beats_s[: 0 if s.no_pulse else None]
        return move(stream(s.seed, "motion"), s.motion, self.times_s, self.truth.lungs, beats)

    @cached_property
    def weights(self) -> tuple[Field, Field]:
        """Weight of every picture at every frame (T, J), and the strength of all light (T,)."""
        s, t, heart = self.settings, self.times_s, self.truth.heart
        rng = stream(s.seed, "drift")
        span = float(t[-1]) + 1.0
        corner = 1.0 / (2.0 * np.pi * rng.uniform(5.0, 60.0))
        drifts = [coloured(rng, span, power_law(2.0, corner)) for _ in range(2)]
        whole, key = (np.interp(t, np.arange(len(drift)) / GRID_HZ, drift) for drift in drifts)
        step = 0.002
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
            tile = noise_tile(stream(s.seed, "noise"), s.height + NOISE_MARGIN, s.width + NOISE_MARGIN, s.noise)
        for index, time in enumerate(self.times_s):
            noise = None
            if tile is not None:
                noise = noise_window(tile, stream(s.seed, "noise", index + 1), s.height, s.width)
            yield float(time), expose(self._light_on_sensor(index), noise)

    def photo(self) -> NDArray[np.uint8]:
        """Return one clean portrait, (H, W, 3) uint8: at rest, eyes open, no noise."""
        rest = np.zeros(len(COMPONENTS), np.float32)
        rest[0] = 1.0
        return expose(self._compose(rest, np.zeros(2), np.zeros(3), np.zeros(2), 0.0), None)

    def trace(self, regions: tuple[str, ...] = ("skin",)) -> NDArray[np.float32]:
        """Mean colour of skin regions at every frame, without rendering: same light, same curve, no 8-bit steps.

        Each region is followed perfectly and averaged over an even sample of its pixels; sensor noise is that of the
        mean over the whole region.

        Parameters
        ----------
        regions : tuple of str
            Names from :data:`perfuse.core.view.REGIONS`.

        Returns
        -------
        ndarray, float32, (T, R, 3)
            Red, green, blue, 0..255, at :attr:`times_s`.

        Raises
        ------
        UsageError
            If there is no such region, or this face shows no bare skin there.
        """
        columns = [self._region_mean(name) for name in regions]
        return np.stack(columns, axis=1).astype(np.float32)

    def write(
        self,
        path: str | Path,
        *,
        quality: int = 12,
        truth_path: str | Path | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Render to an H.264 file.

        Parameters
        ----------
        path : str or Path
            What to write; the ending decides the container.
        quality : int
            x264's constant rate factor, 0 to 51. Its fastest preset keeps the pulse best at a given factor: it does
            without the deblocking and the psychovisual rounding that slower ones spend on looks.
        truth_path : str or Path, optional
            Where to write settings and truth, as JSON.
        progress : callable, optional
            Called with (frames done, frames in all) after each frame.

        Raises
        ------
        UsageError, OutputError
            If the quality is out of range, or a file cannot be written there.
        """
        check("quality", quality, 0, 51, whole=True)

        def watched() -> Iterator[tuple[float, NDArray[np.uint8]]]:
            for done, item in enumerate(self.frames(), 1):
                yield item
                if progress is not None:
                    progress(done, len(self.times_s))

        # One thread: the same bytes on any number of cores.
        options = {"crf": str(quality), "preset": "ultrafast", "threads": "1"}
        write_video(path, watched(), options=options, nominal_rate_hz=self.settings.rate_hz)
        if truth_path is not None:
            text = json.dumps({"settings": asdict(self.settings), "truth": self.truth.describe()}, indent=1)
            try:
                Path(truth_path).write_text(text + "\n", encoding="utf-8")
            except OSError as error:
                raise OutputError(f"{truth_path} cannot be written ({error}).", "Choose another place.") from error

    def _region_mean(self, name: str) -> F64:
        """Mean colour (T, 3) of one region."""
        if name not in REGIONS:
            raise UsageError(f"There is no skin region called {name!r}.", f"Available: {', '.join(REGIONS)}.")
        weights, strength = self.weights
        pixels = np.flatnonzero(self.scene.regions[name].ravel() > 0.5)
        if not len(pixels):
            raise UsageError(f"This face shows no bare skin in the region {name!r}.", "Choose another region.")
        some = pixels[:: max(1, len(pixels) // SAMPLE)]
        sample = self.scene.head.pictures[:, :, some].reshape(len(COMPONENTS), -1)
        light = np.clip((weights @ sample) * strength[:, None], 0.0, 1.0)
        level = 255.0 * linear_to_srgb(light).reshape(len(strength), 3, len(some)).mean(axis=2)
        sd = self.settings.noise * NOISE_GAIN * SUPER / np.sqrt(len(pixels)) * np.array(NOISE_RGB)
        rng = stream(self.settings.seed, "trace", REGIONS.index(name))
        return np.asarray(level + sd * rng.standard_normal(level.shape))

    def _light_on_sensor(self, index: int) -> Field:
        """Linear light (3, H, W) of one frame."""
        weights, strength = self.weights
        motion = self.motion
        scale = self.scene.unit * SUPER / HALF_FACE_MM
        head, body = motion.head_mm[index] * scale, motion.body_mm[index] * scale
        light = self._compose(weights[index], head, motion.head_rad[index], body, float(motion.closed[index]))
        light *= strength[index]
        return light

    def _compose(self, weights: Field, head: F64, turn: F64, body: F64, closed: float) -> Field:
        """Trunk, then head, over the room; positions in texture pixels, turn in radians."""
        scene = self.scene
        unit = scene.unit * SUPER
        frame = scene.background.copy()
        draw_sprite(frame, scene.body, _weigh(weights[list(STILL)], scene.body.pictures), body, np.zeros(3), unit)
        picture = _weigh(weights, scene.head.pictures)
        stage = round(len(scene.lids) * closed)
        if stage:
            picture.reshape(3, *scene.head.shape)[:, scene.eye_rows] += scene.lids[stage - 1]
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
    another heart rate changes neither the face nor its sway.

    Parameters
    ----------
    seed : int
        0 or above; decides all that is left open.
    duration_s, rate_hz : float
        Length (1 to 3600 s) and nominal frames per second (5 to 240).
    width, height : int
        Frame size, 64 to 4096 pixels.
    heart_rate, respiratory_rate : float, optional
        Mean rates per minute, 35 to 230 and 4 to 90; by default those of a resting adult.
    tone : int, optional
        Monk skin tone, 1 (lightest) to 10.
    motion : str
        ``none``, ``tripod``, ``still`` (sits and holds a phone) or ``restless``.
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
        Take away all pulsation of blood and the recoil of the heart (a mask, a doll): there is nothing to measure.

    Raises
    ------
    UsageError
        If a value lies outside its range.
    """
    settings = settle(
        seed,
        duration_s,
        rate_hz,
        width,
        height,
        heart_rate,
        respiratory_rate,
        motion,
        light_drift,
        noise,
        jitter_s,
        drop,
        no_pulse,
    )
    check("tone", tone, 1, 10, whole=True)
    check("pulse_depth", pulse_depth, 0, 0.05)
    skin = draw_skin(stream(seed, "skin"), tone, 0.0 if no_pulse else pulse_depth)
    times = frame_times(stream(seed, "camera"), settings.duration_s, settings.rate_hz, jitter_s, drop)
    truth = live(settings, skin.tone, skin.depth, float(times[-1]))
    look = draw_look(stream(seed, "look"), skin.tone)
    return Subject(settings, times, truth, skin, look, draw_light(stream(seed, "light")))


def _weigh(weights: Field, pictures: Field) -> Field:
    """Sum pictures (J, 3, N) by their weights."""
    return np.asarray((weights @ pictures.reshape(len(weights), -1)).reshape(pictures.shape[1:]))
