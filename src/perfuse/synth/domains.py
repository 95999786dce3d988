"""Domains: where and how people are recorded, as tables of priors. A domain states only how it differs from home.

Where the literature is silent values are ASSUMED. ``lab`` to ``no-pulse`` are SimBench; ``home`` is what
:func:`perfuse.synth.subject` makes when nothing is said; ``train`` is wider than reality on purpose (domain
randomisation) and is what networks learn from.
"""

from __future__ import annotations

from perfuse.synth.priors import Bag, Choice, Just, LogNormal, LogUniform, Mixed, Normal, Prior, Uniform, Whole

Table = dict[str, Prior]

WEAR = Bag({"glasses": 0.3, "makeup": 0.2, "beard": 0.25})
LAB_DEPTH = LogNormal(0.009, 1.6, 0.002, 0.03)
"""Swing of diffuse green light, peak to peak. Forehead and cheeks show 0.3 to 0.6 times as much of encoded green
(gloss, make-up and the transfer curve take the rest), and the median is set so that this is 0.30 to 0.40 %: one phone
clip shows 0.33 %. The spread is ASSUMED."""

HOME: Table = {
    "duration_s": Just(45.0),
    "rate_hz": Just(30.0),
    "width": Just(480),
    "height": Just(360),
    "face_size": Just(0.384),
    "jitter_s": Just(0.0),
    "drop": Just(0.0),
    "kind": Just("person"),
    "heart_rate": Normal(72.0, 11.0, 48.0, 110.0),
    "respiratory_rate": Normal(15.0, 3.5, 8.0, 26.0),
    "age_y": Uniform(18.0, 70.0),
    "sdnn_scale": Just(1.0),
    "rhythm": Just("regular"),
    "recovery": Just(0.0),
    "breathing": Just("calm"),
    "sighs_per_hour": Just(12.0),
    "tone": Whole(1, 10),
    "pulse_depth": LogNormal(0.010, 1.2, 0.007, 0.014),
    "wear": Bag({"beard": 0.25}),
    "motion": Just("tripod"),
    "motion_scale": Just(0.4),
    "expression": Just("neutral"),
    "recoil_mm": LogNormal(0.12, 1.6, 0.03, 0.4),
    "key_angle_deg": Uniform(22.0, 48.0),
    "key_fill": Uniform(1.3, 2.6),
    "kelvin": Uniform(3200.0, 7000.0),
    "lux": LogUniform(200.0, 1500.0),
    "light_drift": LogUniform(0.0005, 0.003),
    "light_steps": Just(0.0),
    "flicker": Just(0.0),
    "mains_hz": Choice({50.0: 0.6, 60.0: 0.4}),
    "anti_flicker": Choice({"on": 0.7, "off": 0.3}),  # (ASSUMED)
    "screen": Just(0.0),
    "shade": Just(0.0),
    "background": Choice({"wall": 0.5, "room": 0.5}),
    "movers": Just("none"),
    "noise": LogNormal(1.0, 1.15, 0.7, 1.5),
    "noise_blue": Just(1.4),
    "denoise": Just(0.0),
    "exposure": Just("locked"),
    "balance": Just("locked"),
    "cast": Just(0.08),  # 3 degrees in the mean; algorithms err by 2 to 6 on public sets (Barron 2015)
    "contrast": Just(0.05),
    "readout_s": Uniform(0.01, 0.03),
    "codec": Just("h264"),
    "quality": Just(12.0),
    "label_fault": Just("clean"),
    "radar_quality": Just("clean"),
    "radar_distance_m": Uniform(0.4, 0.9),
}
"""A resting adult in an evenly lit room, who holds still."""

LAB: Table = {
    "duration_s": Just(30.0),
    "face_size": Uniform(0.34, 0.48),
    "heart_rate": Normal(75.0, 13.0, 45.0, 120.0),
    "respiratory_rate": Normal(15.0, 3.5, 6.0, 30.0),
    "age_y": Uniform(18.0, 80.0),
    "tone": Whole(1, 7),
    "pulse_depth": LAB_DEPTH,
    "wear": WEAR,
    "motion": Just("still"),
    "motion_scale": Uniform(0.3, 1.0),  # of somebody who holds a phone, sway and tremor alike
    "background": Choice({"wall": 0.4, "room": 0.6}),
    "key_angle_deg": Uniform(10.0, 55.0),
    "key_fill": LogUniform(1.0, 4.0),
    "lux": LogUniform(300.0, 1500.0),
    "flicker": Mixed(((0.5, Just(0.0)), (0.5, Uniform(0.0, 0.03)))),
    # with sway and turns it makes the 0.05 to 0.15 % of unrest that followed skin is to show
    "light_drift": LogUniform(0.002, 0.01),
    # 1 to 4 levels of raw noise, a third of which a camera's processor leaves
    "noise": LogNormal(1.0, 1.3, 0.4, 1.4),
    "noise_blue": LogUniform(1.15, 1.6),  # the clip: 1.2 to 1.6 on forehead, cheeks, wall and shirt
    "exposure": Choice({"locked": 0.8, "slow": 0.2}),
    "contrast": Uniform(0.0, 0.25),
    "jitter_s": Just(0.0002),
    "codec": Choice({"none": 0.3, "h264": 0.7}),
    "quality": Uniform(6.0, 15.0),
}

MEDIUM: Table = LAB | {
    "tone": Whole(1, 10),
    # cameras stand, some are held (shares and scale ASSUMED)
    "motion": Choice({"tripod": 0.7, "still": 0.3}),
    "motion_scale": Uniform(0.6, 1.3),
    # x264 at crf 8 keeps 0.8 of it: the 1.04 levels of the clip
    "noise": LogNormal(1.25, 1.3, 0.8, 2.2),
    "codec": Just("h264"),
    "quality": Uniform(7.0, 17.0),
}
"""What phones and cameras write, 8 to 17 Mb/s: at 640 x 480 that is a crf of about 8, and compressing once more at 18
costs such a file 0.3 dB. A first compression at crf 18 costs a small face with its noise fresh 6 dB (measured)."""

DOMAINS: dict[str, Table] = {
    "home": {},
    "lab": LAB,
    "talk": MEDIUM
    | {
        "heart_rate": Normal(82.0, 13.0, 48.0, 130.0),
        "respiratory_rate": Uniform(8.0, 20.0),
        "breathing": Just("speech"),
        "motion": Just("talk"),
        "motion_scale": Uniform(0.6, 1.4),
        "expression": Just("talk"),
        "light_drift": LogUniform(0.003, 0.02),
        "flicker": Uniform(0.0, 0.05),
        "face_size": Uniform(0.28, 0.44),
        "exposure": Choice({"locked": 0.3, "slow": 0.7}),
        "balance": Choice({"locked": 0.5, "slow": 0.5}),
        "jitter_s": Just(0.0005),
    },
    "motion": MEDIUM
    | {
        "heart_rate": LogUniform(55.0, 170.0),
        "sdnn_scale": Just(0.6),
        "respiratory_rate": Uniform(12.0, 40.0),
        "recovery": Mixed(((0.6, Just(0.0)), (0.4, Uniform(5.0, 30.0)))),
        "pulse_depth": LogNormal(0.0108, 1.6, 0.002, 0.03),
        "motion": Choice({"rotate": 0.3, "translate": 0.25, "walk": 0.25, "restless": 0.2}),
        "motion_scale": Uniform(0.6, 1.3),
        "expression": Choice({"neutral": 0.6, "lively": 0.4}),
        "key_fill": LogUniform(1.0, 6.0),
        "light_drift": LogUniform(0.003, 0.04),
        "flicker": Uniform(0.0, 0.1),
        "face_size": Uniform(0.2, 0.36),
        "exposure": Choice({"locked": 0.4, "slow": 0.3, "on": 0.3}),
        "balance": Choice({"locked": 0.5, "slow": 0.5}),
        "jitter_s": Just(0.001),
        "background": Choice({"wall": 0.3, "room": 0.4, "outdoor": 0.3}),
        "movers": Choice({"none": 0.8, "people": 0.1, "leaves": 0.05, "screen": 0.05}),
    },
    "dim-flicker": MEDIUM
    | {
        "motion_scale": Uniform(0.5, 1.0),
        "lux": LogUniform(5.0, 60.0),
        "key_fill": LogUniform(2.0, 8.0),
        "flicker": Uniform(0.1, 0.8),
        "anti_flicker": Choice({"on": 0.2, "off": 0.8}),  # or nothing would flicker in most pictures
        "light_drift": LogUniform(0.01, 0.06),
        "light_steps": Uniform(0.0, 6.0),
        "screen": Mixed(((0.6, Just(0.0)), (0.4, Uniform(0.05, 0.4)))),
        "face_size": Uniform(0.25, 0.42),
        "rate_hz": Choice({30.0: 0.5, 25.0: 0.2, 15.0: 0.3}),
        "jitter_s": Just(0.002),
        "noise": LogNormal(2.6, 1.4, 1.4, 6.0),
        "noise_blue": LogUniform(1.4, 3.5),
        "denoise": Uniform(0.0, 0.5),
        "exposure": Just("pumping"),
        "balance": Just("on"),
        "quality": Uniform(12.0, 21.0),
    },
    "dark-skin": MEDIUM
    | {
        "tone": Whole(7, 10),
        "lux": LogUniform(100.0, 1000.0),
        "flicker": Uniform(0.0, 0.1),
        "light_drift": LogUniform(0.003, 0.02),
        "motion": Choice({"tripod": 0.3, "still": 0.4, "talk": 0.3}),
        "noise": LogNormal(1.3, 1.3, 0.8, 3.0),
        "face_size": Uniform(0.28, 0.44),
        "exposure": Just("on"),
        "balance": Just("slow"),
        "jitter_s": Just(0.001),
    },
    "webcam": MEDIUM
    | {
        "heart_rate": LogUniform(48.0, 140.0),
        "motion": Choice({"still": 0.6, "talk": 0.4}),
        "expression": Choice({"neutral": 0.6, "talk": 0.4}),
        "lux": LogUniform(50.0, 600.0),
        "key_fill": LogUniform(1.0, 6.0),
        "flicker": Uniform(0.0, 0.3),
        "light_drift": LogUniform(0.003, 0.05),
        "screen": Mixed(((0.6, Just(0.0)), (0.4, Uniform(0.02, 0.2)))),  # (ASSUMED) at .4 nothing else can be seen
        "face_size": Uniform(0.17, 0.42),
        "rate_hz": Choice({30.0: 0.5, 25.0: 0.2, 20.0: 0.15, 15.0: 0.15}),
        "jitter_s": Uniform(0.003, 0.008),
        "drop": Uniform(0.01, 0.03),
        "noise": LogNormal(1.8, 1.4, 1.0, 5.0),
        "noise_blue": LogUniform(1.4, 3.5),
        "denoise": Uniform(0.0, 0.5),
        "exposure": Just("on"),
        "balance": Choice({"slow": 0.5, "on": 0.5}),
        "codec": Choice({"webcam": 0.6, "mjpeg": 0.4}),
        "quality": Uniform(20.0, 30.0),
    },
    "low-rate": MEDIUM
    | {
        "heart_rate": LogUniform(48.0, 150.0),
        "motion": Choice({"still": 0.6, "talk": 0.4}),
        "lux": LogUniform(80.0, 800.0),
        "flicker": Uniform(0.0, 0.3),
        "light_drift": LogUniform(0.003, 0.04),
        "face_size": Uniform(0.17, 0.42),
        "rate_hz": Uniform(10.0, 20.0),
        "jitter_s": Uniform(0.005, 0.015),
        "drop": Just(0.03),
        "noise": LogNormal(1.5, 1.4, 0.9, 4.0),
        "exposure": Just("on"),
        "balance": Just("slow"),
        "codec": Choice({"h264": 0.6, "mpeg4": 0.4}),
        "quality": Uniform(14.0, 24.0),
    },
    "neonate": MEDIUM
    | {
        "age_y": Uniform(0.0, 0.077),
        "background": Just("bed"),
        "heart_rate": Uniform(110.0, 200.0),
        "respiratory_rate": Uniform(30.0, 70.0),
        "breathing": Choice({"calm": 0.7, "periodic": 0.3}),
        "sighs_per_hour": Uniform(20.0, 50.0),
        "tone": Whole(1, 9),
        "pulse_depth": LogNormal(0.011, 1.5, 0.003, 0.03),
        "wear": Just(()),
        "motion": Choice({"tripod": 0.9, "fidget": 0.1}),
        "lux": LogUniform(30.0, 400.0),
        "flicker": Uniform(0.0, 0.1),
        "light_drift": LogUniform(0.003, 0.03),
        "shade": Mixed(((0.7, Just(0.0)), (0.3, Uniform(0.1, 0.4)))),
        "face_size": Uniform(0.28, 0.44),
        "rate_hz": Choice({25.0: 0.5, 30.0: 0.5}),
        "jitter_s": Just(0.001),
        "noise": LogNormal(1.4, 1.4, 0.8, 4.0),
        "exposure": Just("on"),
        "balance": Just("slow"),
    },
}
DOMAINS |= {
    "noisy-labels": DOMAINS["talk"]
    | {
        "motion": Choice({"still": 0.5, "talk": 0.5}),
        "expression": Choice({"neutral": 0.5, "talk": 0.5}),
        "label_fault": Choice(
            {"clean": 0.4, "delay": 0.2, "bursts": 0.2, "drift": 0.1, "swapped": 0.05, "dead": 0.05}
        ),
    },
    "paired-radar": MEDIUM
    | {
        "motion": Choice({"tripod": 0.4, "still": 0.4, "talk": 0.2}),
        "lux": Mixed(((0.5, LogUniform(300.0, 1500.0)), (0.5, LogUniform(5.0, 80.0)))),
        "noise": Mixed(((0.5, LogNormal(1.0, 1.3, 0.6, 1.8)), (0.5, LogNormal(2.6, 1.4, 1.4, 6.0)))),
        "light_drift": LogUniform(0.001, 0.03),
        "exposure": Choice({"locked": 0.5, "on": 0.5}),
        "radar_quality": Choice({"clean": 0.7, "weak": 0.075, "moved": 0.075, "wrong_person": 0.075, "lost": 0.075}),
    },
    "no-pulse": DOMAINS["webcam"]
    | {
        "kind": Choice({"doll": 0.2, "mask": 0.25, "photo": 0.35, "wall": 0.2}),
        "motion": Choice({"none": 0.15, "tripod": 0.2, "still": 0.35, "restless": 0.2, "walk": 0.1}),
        "expression": Just("none"),
        "background": Choice({"wall": 0.4, "room": 0.4, "outdoor": 0.2}),
        "movers": Choice({"none": 0.4, "people": 0.2, "leaves": 0.2, "screen": 0.2}),
        "flicker": Mixed(((0.4, Uniform(0.0, 0.1)), (0.6, Uniform(0.1, 0.8)))),
        "anti_flicker": Choice({"on": 0.3, "off": 0.7}),
        "rate_hz": Choice({30.0: 0.6, 25.0: 0.3, 15.0: 0.1}),
        "recoil_mm": Just(0.0),
    },
    "train": {
        "duration_s": Just(30.0),
        "face_size": LogUniform(0.15, 0.5),
        "heart_rate": Mixed(((0.6, LogUniform(38.0, 200.0)), (0.4, Normal(75.0, 15.0, 42.0, 150.0)))),
        "respiratory_rate": Mixed(((0.6, LogUniform(5.0, 60.0)), (0.4, Normal(15.0, 4.0, 6.0, 40.0)))),
        "age_y": Mixed(((0.95, Uniform(5.0, 90.0)), (0.05, Uniform(0.0, 0.077)))),
        "sdnn_scale": LogUniform(0.3, 1.6),
        "rhythm": Choice(
            {"regular": 0.93, "ectopic": 0.04, "fibrillation": 0.02, "bigeminy": 0.005, "dropout": 0.005}
        ),
        "recovery": Mixed(((0.85, Just(0.0)), (0.15, Uniform(5.0, 40.0)))),
        "breathing": Choice({"calm": 0.8, "speech": 0.2}),
        "pulse_depth": LogNormal(0.0062, 1.8, 0.0015, 0.02),
        "wear": Bag({"glasses": 0.3, "makeup": 0.2, "beard": 0.25, "mask": 0.05, "hat": 0.1}),
        "motion": Choice(
            {
                "none": 0.03,
                "tripod": 0.27,
                "still": 0.35,
                "restless": 0.08,
                "talk": 0.1,
                "rotate": 0.05,
                "translate": 0.04,
                "walk": 0.08,
            }
        ),
        "motion_scale": LogUniform(0.15, 1.3),
        "expression": Choice({"none": 0.1, "neutral": 0.5, "talk": 0.25, "lively": 0.15}),
        "key_angle_deg": Uniform(0.0, 75.0),
        "key_fill": LogUniform(0.7, 7.0),
        "kelvin": Uniform(2700.0, 7500.0),
        "lux": LogUniform(10.0, 3000.0),
        "light_drift": LogUniform(0.0004, 0.04),
        "light_steps": Mixed(((0.85, Just(0.0)), (0.15, Uniform(1.0, 10.0)))),
        "flicker": Mixed(((0.5, Uniform(0.0, 0.05)), (0.5, LogUniform(0.02, 0.8)))),
        "screen": Mixed(((0.8, Just(0.0)), (0.2, Uniform(0.02, 0.4)))),
        "shade": Mixed(((0.85, Just(0.0)), (0.15, LogUniform(0.02, 0.4)))),
        "background": Choice({"wall": 0.4, "room": 0.4, "outdoor": 0.2}),
        "movers": Choice({"none": 0.85, "people": 0.05, "leaves": 0.05, "screen": 0.05}),
        "rate_hz": Choice({30.0: 0.6, 25.0: 0.15, 20.0: 0.15, 15.0: 0.1}),
        "jitter_s": Mixed(((0.6, Just(0.0)), (0.4, LogUniform(0.0005, 0.01)))),
        "drop": Mixed(((0.8, Just(0.0)), (0.2, Uniform(0.0, 0.03)))),
        "noise": LogUniform(0.4, 6.0),
        "noise_blue": LogUniform(1.0, 4.0),
        "denoise": Mixed(((0.5, Just(0.0)), (0.5, Uniform(0.0, 0.5)))),
        "exposure": Choice({"locked": 0.5, "slow": 0.2, "on": 0.2, "pumping": 0.1}),
        "balance": Choice({"locked": 0.5, "slow": 0.25, "on": 0.25}),
        "cast": Just(0.2),
        "contrast": Uniform(0.0, 0.25),
        "codec": Choice({"none": 0.3, "h264": 0.45, "mpeg4": 0.15, "mjpeg": 0.1}),
        "quality": Uniform(8.0, 30.0),
        "radar_quality": Choice({"clean": 0.7, "weak": 0.075, "moved": 0.075, "wrong_person": 0.075, "lost": 0.075}),
    },
}

ABOUT: dict[str, str] = {
    "home": "a resting adult in an evenly lit room; what `subject` makes when nothing is said",
    "lab": "bright, still, light to medium skin, hardly compressed",
    "talk": "all tones, speaking, speech breathing, drifting light",
    "motion": "turning, shifting, walking, restless; 55 to 170 beats a minute",
    "dim-flicker": "5 to 60 lux, flickering lamps, sudden changes, noise, pumping exposure",
    "dark-skin": "Monk tones 7 to 10 in ordinary light, exposure control on",
    "webcam": "call-quality compression, uneven frame times, all controls on",
    "low-rate": "10 to 20 frames a second, irregular, some lost",
    "neonate": "newborns: 110 to 200 beats and 30 to 70 breaths a minute",
    "noisy-labels": "contact sensors with delay, bursts, drift, the wrong subject or none",
    "paired-radar": "half of it in bad light, beside a radar of which 30 % is spoiled",
    "no-pulse": "dolls, full masks, photographs, cushions; moving backgrounds and flicker",
    "train": "wider than reality on purpose; what networks learn from",
}
"""One line for each domain."""
