"""SimBench: fixed people who are in one domain only, and a mark that shows when priors have changed."""

from __future__ import annotations

import re

import numpy as np
import pytest

from perfuse.core.errors import UsageError
from perfuse.synth import domains, simbench
from perfuse.synth.camera.control import exposure_time
from perfuse.synth.camera.lamps import mains_flicker
from perfuse.synth.layouts.known import get_layout
from perfuse.synth.layouts.plan import people, plan
from perfuse.synth.priors import Just
from perfuse.synth.settings import settle

PINNED = {
    1: "21bab99278ec17fbbd11055363b573458c84af0af29574d8b39983b2e97333a8",
    2: "a5a423a3323eb8dc49f70509d985c3bdf2b4a4b99895357ae0d192660a9a67a6",
    3: "44af989f9ced2a1a96866cae234634ff9db52e820b10550c325e04392752a732",
    4: "8acf9a371e8c09abd344a3018230522c214704ed8224166da7b9914f0aa5200c",
    5: "425b951bcaad9308ba2afd6af5924b287123cb04062d49f46066d09e20b5df38",
    6: "3b8495faa50f400e0a2d0e82b0782c0e67673bcff141db412d98bfb62daf10d0",
}
"""Fingerprint of ``tiny`` by version. Where it differs somebody changed a prior: raise VERSION and add a line."""


def test_priors_do_not_change_within_a_version():
    assert simbench.fingerprint("tiny") == PINNED[simbench.VERSION], (
        "the people of SimBench have changed: raise simbench.VERSION and pin the new fingerprint"
    )


def test_fingerprint_notices_one_prior_of_one_domain(monkeypatch):
    before = simbench.fingerprint("tiny")
    assert re.fullmatch(r"[0-9a-f]{64}", before)
    assert before == simbench.fingerprint("tiny") != simbench.fingerprint("desk")
    monkeypatch.setitem(domains.DOMAINS, "neonate", domains.DOMAINS["neonate"] | {"recoil_mm": Just(0.2)})
    assert simbench.fingerprint("tiny") != before


def test_people_stay_from_version_to_version(monkeypatch):
    before, mark = simbench.everyone("tiny"), simbench.fingerprint("tiny")
    monkeypatch.setattr(simbench, "VERSION", simbench.VERSION + 1)
    assert simbench.everyone("tiny") == before
    assert simbench.fingerprint("tiny") != mark
    monkeypatch.setattr(simbench, "SEEDS", simbench.SEEDS + 1)
    assert {member.seed for member in before}.isdisjoint(member.seed for member in simbench.everyone("tiny"))


def test_nobody_is_in_two_domains():
    everyone = simbench.everyone("full")
    assert len(everyone) == 11 * 60
    assert len({member.seed for member in everyone}) == len({member.id for member in everyone}) == len(everyone)
    assert all(0 <= member.seed < 2**62 for member in everyone)


def test_nobody_is_in_a_row_that_anybody_can_ask_for():
    bench = {member.seed for member in simbench.everyone("full")}
    for domain in simbench.DOMAINS:
        for seed in range(5):
            assert bench.isdisjoint(member.seed for member in people(100, domain, seed))


@pytest.mark.parametrize("domain", simbench.DOMAINS)
def test_smaller_sizes_hold_the_first_people_of_larger_ones(domain):
    tiny, desk, full = ([(m.id, m.seed) for m in simbench.members(domain, size)] for size in ("tiny", "desk", "full"))
    assert 0 < len(tiny) < len(desk) < len(full)
    assert tiny == desk[: len(tiny)]
    assert desk == full[: len(desk)]


def test_sizes_only_change_the_film():
    small, large = (simbench.members("talk", size)[0].settings() for size in ("tiny", "full"))
    assert (small.heart_rate, small.tone, small.wear) == (large.heart_rate, large.tone, large.wear)
    assert (large.width, large.height, large.duration_s) == (640, 480, 30.0)
    assert (small.width, small.height, small.duration_s) == (240, 180, 10.0)


def test_a_run_that_is_cut_short_has_some_of_all():
    first = simbench.everyone("desk")[: len(simbench.DOMAINS)]
    assert [member.domain for member in first] == list(simbench.DOMAINS)


def drawn(domain):
    return [member.settings() for member in simbench.members(domain, "full")]


def test_domains_are_what_they_are_called():
    assert set(simbench.DOMAINS) < set(domains.DOMAINS)
    assert all(s.tone >= 7 for s in drawn("dark-skin"))
    assert all(110 <= s.heart_rate <= 200 and s.respiratory_rate >= 30 and s.age_y < 0.1 for s in drawn("neonate"))
    assert all(10 <= s.rate_hz <= 20 for s in drawn("low-rate"))
    assert all(s.lux <= 60 and s.flicker >= 0.1 for s in drawn("dim-flicker"))
    assert {s.motion for s in drawn("talk")} == {"talk"}
    assert {s.codec for s in drawn("webcam")} == {"webcam", "mjpeg"}
    assert len({s.label_fault for s in drawn("noisy-labels")}) >= 5
    assert len({s.radar_quality for s in drawn("paired-radar")}) >= 4
    assert {s.label_fault for s in drawn("lab")} == {"clean"}
    assert {s.rhythm for s in drawn("lab")} == {"regular"}
    assert not any(s.alive for s in drawn("no-pulse"))
    assert all(s.alive for domain in simbench.DOMAINS if domain != "no-pulse" for s in drawn(domain))


def test_most_pictures_flicker_where_lamps_do():
    """Of the domain that is named for it: bands of 0.3 % of the light or more cross the face."""
    seen = []
    for s in (settle(seed, "dim-flicker") for seed in range(300)):
        exposure_s, _ = exposure_time(s.lux, s.rate_hz)
        rows = mains_flicker(
            np.random.default_rng(s.seed),
            np.arange(100) / s.rate_hz,
            24,
            depth=s.flicker,
            mains_hz=s.mains_hz,
            exposure_s=exposure_s,
            readout_s=s.readout_s,
            anti_flicker=s.anti_flicker == "on",
        )
        seen.append(rows.std(axis=0).mean() > 0.003)
    assert 0.55 < np.mean(seen) < 0.75


def test_only_paired_radar_has_a_radar():
    takes = plan(get_layout("perfuse"), simbench.everyone("tiny"))
    assert {take.domain for take in takes if take.radar} == {"paired-radar"}


def test_members_are_made_by_their_seed_alone():
    member = simbench.members("motion", "tiny")[1]
    assert member.id == "motion-001"
    assert member.settings() == settle(member.seed, member.domain, member.asked)


@pytest.mark.parametrize(
    ("domain", "size", "problem"),
    [("home", "tiny", "no domain called 'home'"), ("lab", "huge", "no size called 'huge'")],
)
def test_unknown_names_are_told(domain, size, problem):
    with pytest.raises(UsageError, match=problem):
        simbench.members(domain, size)
    with pytest.raises(UsageError):
        simbench.fingerprint("huge")
