"""Pickles that hold numbers and nothing else, and the radar packets in them."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perfuse.core.errors import SourceError
from perfuse.data.formats.capture import read_capture
from perfuse.data.formats.unpickle import load_npy, load_pickle
from perfuse.synth.radar.record import packets
from reader_scenes.making import (
    Attack,
    chirps,
    dump,
    expected,
)


def capture(path: Path, content: object, protocol: int = 4):
    dump(path, content, protocol)
    return read_capture(path)


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_packets_become_range_bins(protocol, tmp_path):
    adc = chirps(50)
    radar = capture(tmp_path / "rf.pkl", packets(adc), protocol)
    whole = len(radar.times_s)
    assert whole == len(packets(adc)[0]) * 1456 // 2048
    assert radar.valid.all()
    assert radar.times_s == pytest.approx(np.arange(whole) / 120)
    assert radar.iq == pytest.approx(expected(adc)[:whole], rel=1e-5, abs=1)


@given(data=st.data())
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lost_shuffled_and_doubled_packets_never_shift_a_chirp(data, tmp_path):
    adc = chirps(30)
    content = packets(adc)
    count = len(content[0])
    lost = data.draw(st.sets(st.integers(0, count - 1), max_size=count // 2))
    order = [i for i in range(count) if i not in lost]
    for _ in range(data.draw(st.integers(0, 3))):  # neighbours overtake each other, as on a network
        at = data.draw(st.integers(0, len(order) - 2))
        order[at], order[at + 1] = order[at + 1], order[at]
    order += order[:1] * data.draw(st.integers(0, 2))
    radar = capture(tmp_path / "rf.pkl", tuple([part[i] for i in order] for part in content[:3]) + content[3:])
    touched = {i for p in lost for i in range(p * 1456 // 2048, (p * 1456 + 1455) // 2048 + 1)}
    assert set(np.flatnonzero(~radar.valid)) == {i for i in touched if i < len(radar.valid)}
    good = np.flatnonzero(radar.valid)
    assert radar.times_s == pytest.approx(np.arange(len(radar.valid)) / 120)
    assert radar.iq[good] == pytest.approx(expected(adc)[good], rel=1e-5, abs=1)
    assert np.isfinite(radar.iq).all()
    for bad in np.flatnonzero(~radar.valid):  # holds the last good one
        last = good[good < bad][-1] if (good < bad).any() else good[0]
        assert np.array_equal(radar.iq[bad], radar.iq[last])


def test_a_card_that_ran_before_starts_with_the_first_whole_chirp(tmp_path):
    adc = chirps(400)
    content = packets(adc, first=300)  # 1.78 s after the start
    radar = capture(tmp_path / "rf.pkl", content)
    begin = -(-300 * 1456 // 2048)
    assert radar.valid.all()
    assert radar.times_s[0] == 0
    assert radar.iq == pytest.approx(expected(adc)[begin : begin + len(radar.iq)], rel=1e-5, abs=1)


def test_what_was_left_in_a_buffer_is_dropped(tmp_path):
    adc = chirps(150)
    payloads, numbers, sent, start, end = packets(adc)
    old = 20
    for shift in (10**9 + 7 * 2048, 0):  # live packets come much later than the old ones, or the card began anew
        before = sent[100 : 100 + old] if shift else [10**9 + 1456 * i for i in range(old)]
        content = (
            payloads[:old] + payloads,
            numbers[:old] + numbers,
            before + [at + shift for at in sent],
            start,
            end,
        )
        radar = capture(tmp_path / "rf.pkl", content)
        skipped = -(-shift // 2048) * 2048 - shift
        assert skipped in (0, 2048 - 10**9 % 2048)
        assert radar.valid.all()
        lead = 0 if skipped == 0 else None
        if lead == 0:
            assert radar.iq == pytest.approx(expected(adc)[: len(radar.iq)], rel=1e-5, abs=1)


@pytest.mark.parametrize(
    "content",
    [
        None,
        7,
        [],
        ([], [], [], "", ""),
        ([np.zeros(728, np.uint16)], [1], [0, 1456], "", ""),
        ([np.zeros(728, np.uint16)] * 2, [1, 2], [0, 10**15], "", ""),
        ([np.zeros(728, np.uint16)], [1], [-2], "", ""),
        ([np.zeros(728, np.uint16)], [1], [3], "", ""),
        ([np.zeros(728)], [1], [0], "", ""),
        ([np.zeros((2, 364), np.uint16)], [1], [0], "", ""),
        (["abc"], [1], [0], "", ""),
        ([np.zeros(728, np.uint16)], [1], ["x"], "", ""),
        ([np.zeros(728, np.uint16)], [1], [0], "", ""),
        (7, 8, 9),
        ([np.zeros(728, np.uint16)], 1, [0]),
    ],
)
def test_captures_that_cannot_be(content, tmp_path):
    with pytest.raises(SourceError, match=r"rf\.pkl"):
        capture(tmp_path / "rf.pkl", content)


class Sneaky:
    def __reduce__(self):
        return getattr, (np.zeros(1), "tofile")


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("bad", [Attack(), Sneaky(), print, np.float64, OrderedDict(), np.zeros(2, "M8[s]")])
def test_pickles_that_ask_for_more_than_numbers_are_refused(bad, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for content in (bad, [("v_1", bad)], {"a": (1, [bad])}):
        dump(tmp_path / "x.pkl", content, protocol)
        with pytest.raises(SourceError, match=r"x\.pkl"):
            load_pickle(tmp_path / "x.pkl")
    made = np.array({"rgbd": bad}, dtype=object)
    np.save(tmp_path / "x.npy", made, allow_pickle=True)
    with pytest.raises(SourceError, match=r"x\.npy"):
        load_npy(tmp_path / "x.npy")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.npy", "x.pkl"]


PLAIN = [
    None,
    (1, 2.5, "v_1", b"bytes", True, -(2**70)),
    {"train": ["v_1_1"], 0: {"a": {1, 2}}},
    [np.arange(6, dtype=">u2"), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.float32(3.5), np.array(7)],
    [np.zeros((0, 3), np.int8), np.array([True, False]), np.array([1 + 2j]), np.arange(10)[::2]],
    [bytearray(b"x"), frozenset({1}), 1j],
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("content", PLAIN)
def test_pickles_of_numbers_come_back(content, protocol, tmp_path):
    dump(tmp_path / "x.pkl", content, protocol)
    back = load_pickle(tmp_path / "x.pkl")
    assert repr(back) == repr(content)
    if isinstance(content, list):
        for one_, two in zip(back, content, strict=True):
            assert np.array_equal(one_, two)
            assert getattr(one_, "dtype", None) == getattr(two, "dtype", None)


@given(data=st.data())
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_pickles_are_errors_and_nothing_else(data, tmp_path):
    content = [np.arange(9), {"a": (1, "x")}, [("v_1", 3)] * 3, np.float64(2)]
    raw = bytearray(pickle.dumps(content, data.draw(st.integers(0, 5))))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "x.pkl").write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    try:
        load_pickle(tmp_path / "x.pkl")
    except SourceError as error:
        assert "x.pkl" in error.problem  # noqa: PT017


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_arrays_are_errors_and_nothing_else(data, tmp_path):
    np.save(tmp_path / "x.npy", np.arange(9.0))
    raw = bytearray((tmp_path / "x.npy").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, 127))] = data.draw(st.integers(0, 255))
    (tmp_path / "x.npy").write_bytes(raw)
    try:
        load_npy(tmp_path / "x.npy")
    except SourceError as error:
        assert "x.npy" in error.problem  # noqa: PT017


def test_an_array_with_half_a_header_is_damaged(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(9.0))
    raw = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(raw.replace(b"(9,), }", b"(9,,   "))
    with pytest.raises(SourceError, match=r"x\.npy"):
        load_npy(tmp_path / "x.npy")
