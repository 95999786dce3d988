"""Subjects: one seeded person with everything that is true about them, before a camera, a radar and sensors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import OutputError, UsageError
from perfuse.core.view import REGIONS
from perfuse.radar.kinds import AWR1443, RadarKind
from perfuse.synth.camera.encoders import encoder, encoder_options
from perfuse.synth.camera.isp import develop
from perfuse.synth.camera.timing import frame_times
from perfuse.synth.fields import F64
from perfuse.synth.person.look import Look, draw_look
from perfuse.synth.person.skin import Skin, draw_skin
from perfuse.synth.radar.body import Still
from perfuse.synth.radar.record import RadarRecording, observe
from perfuse.synth.scene.build import COMPONENTS, STILL, SUPER, Scene, build_scene
from perfuse.synth.scene.layer import CHANNELS, Pose
from perfuse.synth.scene.light import Light, draw_light
from perfuse.synth.scene.render import render
from perfuse.synth.scene.tracks import Tracks, track
from perfuse.synth.scene.window import Window, frame_window
from perfuse.synth.sensors.belt import Belt, belt
from perfuse.synth.sensors.contact import ContactPPG, contact_ppg
from perfuse.synth.sensors.ecg import ECG, ecg
from perfuse.synth.settings import Settings, check, settle, stream
from perfuse.synth.shoot import Film, load_film, shoot
from perfuse.synth.truth import Truth, live
from perfuse.video.write import write_video

SAMPLE = 400
"""Pixels of a region that a trace averages."""

NOISE_GAIN = 2.6
"""How much more noise the mean of many pixels keeps than if neighbours were independent."""

CHUNK = 8
"""Frames that are rendered together."""


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
    def frame(self) -> Window:
        """The camera's frame in head coordinates."""
        s = self.settings
        rng = stream(s.seed, "framing")
        return frame_window(s.height, s.width, s.face_size, rng.uniform(-0.15, 0.15), rng.uniform(-0.06, 0.06))

    @cached_property
    def scene(self) -> Scene:
        """Everything painted and lit."""
        return build_scene(self.settings, self.look, self.skin, self.light, self.frame, self.frame)

    @cached_property
    def tracks(self) -> Tracks:
        """Light, blood and motion at every frame."""
        return track(self.settings, self.times_s, self.truth)

    @cached_property
    def film(self) -> Film:
        """What the camera does to every frame."""
        return load_film(self.settings, self.scene, self.times_s, self.tracks)

    @property
    def duration_s(self) -> float:
        """Time of the last frame, at least 1 s: how long sensors record."""
        return max(float(self.times_s[-1]), 1.0)

    def contact(self, *, rate_hz: float = 64.0, site: str = "finger") -> ContactPPG:
        """Record the pulse at a finger or an ear, with the fault of ``settings.label_fault``.

        Raises
        ------
        UsageError
            If nothing beats: nobody wears it.
        """
        self._worn(self.settings.alive, "beats")
        rng, t = stream(self.settings.seed, f"contact {site}"), self.truth
        fault = self.settings.label_fault
        return contact_ppg(rng, t.heart, t.lungs, self.duration_s, rate_hz=rate_hz, site=site, fault=fault)

    def belt(self, *, rate_hz: float = 32.0) -> Belt:
        """Record breathing with a belt round the chest.

        Raises
        ------
        UsageError
            If nothing breathes: nobody wears it.
        """
        self._worn(self.settings.breathes, "breathes")
        return belt(stream(self.settings.seed, "belt"), self.truth.lungs, self.duration_s, rate_hz=rate_hz)

    def ecg(self, *, rate_hz: float = 250.0) -> ECG:
        """Record one lead of an electrocardiogram.

        Raises
        ------
        UsageError
            If nothing beats: nobody wears it.
        """
        self._worn(self.settings.alive, "beats")
        return ecg(stream(self.settings.seed, "ecg"), self.truth.heart, self.duration_s, rate_hz=rate_hz)

    def _worn(self, lives: bool, does: str) -> None:
        if not lives:
            raise UsageError(f"Nothing {does} in a picture of kind {self.settings.kind!r}.", "Ask no sensor of it.")

    def radar(
        self, config: RadarKind = AWR1443, *, start_s: float = 0.0, duration_s: float | None = None, every: int = 1
    ) -> RadarRecording:
        """Record chest and head with a radar of ``settings.radar_quality``; arguments as for :func:`observe`.

        Where nothing beats or breathes, nothing does so in front of the radar.
        """
        s, towards = self.settings, self.tracks.motion.head_mm[:, 2]
        return observe(
            stream(s.seed, "radar"),
            self.truth.heart if s.alive else Still(),
            self.truth.lungs if s.breathes else Still(),
            self.duration_s if duration_s is None else duration_s,
            config=config,
            distance_m=s.radar_distance_m,
            quality=s.radar_quality,
            head_mm=lambda time_s: np.interp(time_s, self.times_s, towards),
            start_s=start_s,
            every=every,
        )

    def frames(self) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        """Render the frames one by one: capture time in s and an (H, W, 3) uint8 sRGB picture."""
        for first in range(0, len(self.times_s), CHUNK):
            at = slice(first, min(first + CHUNK, len(self.times_s)))
            pictures = shoot(self.scene, self.tracks, self.film, at).astype(np.uint8)
            for time, picture in zip(self.times_s[at], pictures, strict=True):
                yield float(time), np.ascontiguousarray(picture.transpose(1, 2, 0))

    def photo(self) -> NDArray[np.uint8]:
        """Return one clean portrait, (H, W, 3) uint8: at rest, eyes open, no noise."""
        scene, rest = self.scene, np.zeros((1, len(COMPONENTS)), np.float32)
        rest[0, 0] = 1.0
        still = Pose(np.zeros((1, 2), np.float32))
        calm = replace(still, patches=tuple(np.zeros((1, len(p.pictures)), np.float32) for p in scene.head.patches))
        layers = [(scene.background, rest[:, :1], still), (scene.body, rest[:, list(STILL)], still)]
        light = render(scene.window, [*layers, (scene.head, rest, calm)])
        level = np.rint(develop(light, contrast=self.settings.contrast)[0]).astype(np.uint8)
        return np.ascontiguousarray(level.transpose(1, 2, 0))

    def trace(self, regions: tuple[str, ...] = ("skin",)) -> NDArray[np.float32]:
        """Mean colour of skin regions at every frame, without rendering: same light, same curve, no 8-bit steps.

        Each region is followed perfectly and averaged over an even sample of its pixels; sensor noise is that of the
        mean over the whole region. Of flickering lamps only the mean over each frame is kept: the bands that their
        light leaves in a rolling shutter's picture are not.

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
        quality: int | None = None,
        truth_path: str | Path | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Render to a file, compressed as the settings say.

        Parameters
        ----------
        path : str or Path
            What to write; the ending decides the container.
        quality : int, optional
            Write H.264 with this constant rate factor of x264 instead, 0 to 51, whatever the settings say. Its
            fastest preset is taken, which keeps the pulse best at a given factor: it does without the deblocking and
            the psychovisual rounding that slower ones spend on looks.
        truth_path : str or Path, optional
            Where to write settings and truth, as JSON; ``codec``, ``quality`` and ``encoder`` are those of the file.
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

        if quality is None:
            used, how = self.settings, encoder(self.settings)
        else:
            used = replace(self.settings, codec="h264", quality=float(quality))
            how = encoder_options("fast", quality)
        write_video(path, watched(), nominal_rate_hz=used.rate_hz, **how)
        if truth_path is not None:
            told = {"settings": asdict(used), "truth": self.truth.describe(), "encoder": how}
            text = json.dumps(told, indent=1)
            try:
                Path(truth_path).write_text(text + "\n", encoding="utf-8")
            except OSError as error:
                raise OutputError(f"{truth_path} cannot be written ({error}).", "Choose another place.") from error

    def _region_mean(self, name: str) -> F64:
        """Mean colour (T, 3) of one region."""
        if name not in REGIONS:
            raise UsageError(f"There is no skin region called {name!r}.", f"Available: {', '.join(REGIONS)}.")
        pixels = np.flatnonzero(self.scene.regions[name].ravel() > 0.5)
        if not len(pixels):
            raise UsageError(f"This face shows no bare skin in the region {name!r}.", "Choose another region.")
        some = pixels[:: max(1, len(pixels) // SAMPLE)]
        pictures = self.scene.head.pictures.reshape(len(COMPONENTS), -1, CHANNELS)[:, some, :3]
        light = (self.tracks.weights @ pictures.reshape(len(COMPONENTS), -1)).reshape(-1, len(some), 3)
        level = develop(
            light.transpose(0, 2, 1)[..., None],
            gain=self.film.gains[:, :, None, None],
            contrast=self.settings.contrast,
        )
        loud = np.array([1.1, 1.0, self.settings.noise_blue])
        sd = self.settings.noise * loud * NOISE_GAIN * SUPER / np.sqrt(len(pixels))
        rng = stream(self.settings.seed, "trace", REGIONS.index(name))
        return np.asarray(level.mean(axis=(2, 3), dtype=np.float64) + sd * rng.standard_normal((len(light), 3)))


def subject(seed: int, domain: str = "home", **asked: Any) -> Subject:
    """Make one person. The same arguments give the same person, whatever was made before.

    Every room (heart, lungs, skin, look, light, motion, camera) and every parameter has a source of chance of its
    own, so asking for another heart rate changes neither the face nor its sway.

    Parameters
    ----------
    seed : int
        0 or above; decides all that is left open.
    domain : str
        Where and how the person is recorded: a key of :data:`perfuse.synth.domains.DOMAINS`.
    **asked
        Any parameters of :class:`perfuse.synth.Settings`, such as ``heart_rate=120`` or ``motion="talk"``; what is
        left out (or None) is drawn from the domain.

    Raises
    ------
    UsageError
        If there is no such domain or parameter, or a value lies outside its range.
    """
    settings = settle(seed, domain, asked)
    s = settings
    return born(settings, frame_times(stream(seed, "camera"), s.duration_s, s.rate_hz, s.jitter_s, s.drop))


def born(settings: Settings, time_s: F64) -> Subject:
    """Make the person that complete settings describe, seen at given times (T,), in s."""
    seed = settings.seed
    light = draw_light(stream(seed, "light"), settings)
    look = draw_look(
        stream(seed, "look"), settings.tone, age_y=settings.age_y, wear=settings.wear, kind=settings.kind
    )
    skin = skin_of(settings)
    return Subject(settings, time_s, live(settings, skin, time_s), skin, look, light)


def skin_of(settings: Settings) -> Skin:
    """Draw the skin of a subject."""
    depth = settings.pulse_depth if settings.alive else 0.0
    rng = stream(settings.seed, "skin")
    return draw_skin(rng, settings.tone, depth, illuminant=settings.kelvin, age_y=settings.age_y)
