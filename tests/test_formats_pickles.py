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


def clocked(seconds: float | None) -> tuple[str, str]:
    """Times of start and end."""
    if seconds is None:
        return "", ""
    return "2022-01-01T00:00:00Z", f"2022-01-01T00:00:{seconds:09.6f}Z"


CHIRPS_S = 1456 / 2048 / 120
"""Seconds of a packet."""


@pytest.mark.parametrize("clock_s", [None, 400 * CHIRPS_S])
def test_a_card_that_ran_before_starts_with_the_first_whole_chirp(clock_s, tmp_path):
    adc = chirps(500)
    content = packets(adc, first=300)  # 1.78 s after the start
    radar = capture(tmp_path / "rf.pkl", (*content[:3], *clocked(clock_s)))
    begin = -(-300 * 1456 // 2048)
    assert radar.valid.all()
    assert radar.times_s[0] == 0
    np.testing.assert_allclose(radar.iq, expected(adc)[begin : begin + len(radar.iq)], rtol=1e-5, atol=1)
    if clock_s is None:
        (note,) = radar.notes
        assert "the byte counts begin 1.8 s after zero" in note
        assert "too late by as much if those before were lost" in note
    else:  # by the clock nothing is missing
        assert radar.notes == ()


@pytest.mark.parametrize(
    ("first", "last", "clocked_too"),
    [(0, 177, True), (0, 404, True), (84, 286, True), (152, 421, True), (84, 286, False), (152, 421, False)],
)
def test_what_is_lost_near_the_start_shifts_nothing(first, last, clocked_too, tmp_path):
    """0 to 1.05 s, 0 to 2.4 s, 0.5 to 1.7 s, 0.9 to 2.5 s; with the times of start and end, and without."""
    adc = chirps(600)
    payloads, numbers, sent, start, end = packets(adc)
    keep = [i for i in range(len(sent)) if not first <= i < last]
    parts = [[part[i] for i in keep] for part in (payloads, numbers, sent)]
    radar = capture(tmp_path / "rf.pkl", (*parts, *((start, end) if clocked_too else ("", ""))))
    good = np.flatnonzero(radar.valid)
    assert radar.times_s == pytest.approx(np.arange(len(radar.valid)) / 120)
    np.testing.assert_allclose(radar.iq[good], expected(adc)[good], rtol=1e-5, atol=1)
    lost = range(first * 1456 // 2048, -(-last * 1456 // 2048))
    assert np.flatnonzero(~radar.valid).tolist() == list(lost)
    assert "chirps were lost" in radar.notes[0]
    assert radar.notes[1] == (
        f"what is missing of the first {last * CHIRPS_S:.1f} s is taken for lost, not for time before the recording"
    )


def test_a_short_run_from_zero_is_left_over_where_the_clock_says_so(tmp_path):
    """A socket that was open before it was read holds the card's first packets."""
    adc = chirps(600)
    payloads, numbers, sent, _, _ = packets(adc)
    keep = [*range(44), *range(300, len(sent))]
    parts = [[part[i] for i in keep] for part in (payloads, numbers, sent)]
    radar = capture(tmp_path / "rf.pkl", (*parts, *clocked((len(sent) - 300) * CHIRPS_S)))
    begin = -(-300 * 1456 // 2048)
    assert radar.valid.all()
    np.testing.assert_allclose(radar.iq, expected(adc)[begin : begin + len(radar.iq)], rtol=1e-5, atol=1)
    assert radar.notes == (
        "44 packets before a jump in the byte counts were dropped as left over; the times begin after it",
    )


def test_a_lost_end_is_told_by_the_clock(tmp_path):
    adc = chirps(600)
    payloads, numbers, sent, start, end = packets(adc)
    for seconds, told in ((0.9, 0), (1.9, 1)):
        count = len(sent) - round(seconds / CHIRPS_S)
        radar = capture(tmp_path / "rf.pkl", (payloads[:count], numbers[:count], sent[:count], start, end))
        assert len(radar.notes) == told, radar.notes
    assert radar.notes[0].endswith("s, but the file says 5.0 s from start to end")


def test_what_was_left_in_a_buffer_is_dropped(tmp_path):
    adc = chirps(150)
    payloads, numbers, sent, start, end = packets(adc)
    old = 20
    dropped = "20 packets before a jump in the byte counts were dropped as left over; the times begin "
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
        if skipped == 0:
            np.testing.assert_allclose(radar.iq, expected(adc)[: len(radar.iq)], rtol=1e-5, atol=1)
        assert radar.notes[0] == dropped + ("after it" if shift else "with byte 0")


def test_a_card_that_began_anew_is_refused(tmp_path):
    payloads, numbers, sent, start, end = packets(chirps(600))
    half = len(sent) // 2
    again = [*sent[:half], *(at - sent[half] for at in sent[half:])]
    with pytest.raises(SourceError, match=rf"{half} of {len(sent)} packets .* the card began anew"):
        capture(tmp_path / "rf.pkl", (payloads, numbers, again, start, end))


def test_packets_that_contradict_others_are_not_used(tmp_path):
    adc = chirps(300)
    payloads, numbers, sent, start, end = packets(adc)
    sent = [*sent[:200], sent[100], *sent[201:]]
    radar = capture(tmp_path / "rf.pkl", (payloads, numbers, sent, start, end))
    touched = {chirp for i in (100, 200) for chirp in range(i * 1456 // 2048, (i * 1456 + 1455) // 2048 + 1)}
    assert set(np.flatnonzero(~radar.valid)) == touched
    np.testing.assert_allclose(radar.iq[radar.valid], expected(adc)[: len(radar.iq)][radar.valid], rtol=1e-5, atol=1)
    assert "1 packets hold other bytes than those before at the same byte count" in " ".join(radar.notes)


def test_packets_sent_twice_are_no_contradiction(tmp_path):
    payloads, numbers, sent, start, end = packets(chirps(300))
    radar = capture(tmp_path / "rf.pkl", (payloads * 2, numbers * 2, sent * 2, start, end))
    assert radar.valid.all()
    assert radar.notes == ("packets came out of order 1 times, by up to 2.5 s, and were put back in order",)


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        (lambda number: number, ()),
        (lambda number: number + 500 * (number > 100), ("500 packets are missing by their numbers, 0 by the byte",)),
        (lambda number: f"no. {number}", ()),
        (lambda number: float("nan"), ()),
    ],
)
def test_packet_numbers_are_compared_with_byte_counts(numbers, told, tmp_path):
    content = packets(chirps(300))
    radar = capture(tmp_path / "rf.pkl", (content[0], [numbers(n) for n in content[1]], *content[2:]))
    assert radar.valid.all()
    assert tuple(note[:55] for note in radar.notes) == tuple(start[:55] for start in told)


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
        ([np.zeros(728, np.uint16)] * 9, [*range(9)], [1456 * i + 2 for i in range(9)], "", ""),
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


def laughing(deep: int) -> list:
    """A few bytes that stand for 10 ** deep items."""
    made: list = [1]
    for _ in range(deep):
        made = [made] * 10
    return made


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_lists_that_share_their_items_do_not_unfold(protocol, tmp_path):
    array = np.empty(2, object)
    array[0] = array[1] = laughing(50)
    itself: list = []
    itself.append(itself)
    for content in (laughing(50), {"a": laughing(50)}, [array], itself, {"a": itself}, (itself,)):
        dump(tmp_path / "x.pkl", content, protocol)
        assert (tmp_path / "x.pkl").stat().st_size < 20_000
        with pytest.raises(SourceError, match=r"x\.pkl cannot be read .*(unfolds into more|holds itself)"):
            load_pickle(tmp_path / "x.pkl")
    dump(tmp_path / "x.pkl", laughing(3), protocol)
    back = load_pickle(tmp_path / "x.pkl")
    assert back == laughing(3)
    assert back[0] is back[9]


def nested(deep: int) -> bytes:
    """Tuples of one tuple twice, ``deep`` times: to hash the last is to walk through 2 ** deep."""
    return b"K\x01\x85\x94" + b"".join(b"h" + bytes([i]) + b"\x86\x94" for i in range(deep))


@pytest.mark.parametrize(
    "raw",
    [
        b"\x80\x04}" + nested(90) + b"K\x01s.",  # {key: 1}
        b"\x80\x04}(" + nested(90) + b"K\x01u.",
        b"\x80\x04(" + nested(90) + b"K\x01d.",
        b"\x80\x04\x8f(" + nested(90) + b"\x90.",  # {key}
        b"\x80\x04(" + nested(90) + b"\x91.",
        b"\x80\x04cbuiltins\nset\n(]" + nested(90) + b"atR.",
        b"\x80\x04cbuiltins\nfrozenset\n(]" + nested(90) + b"atR.",
    ],
)
def test_keys_that_unfold_are_refused_before_they_are_hashed(raw, tmp_path):
    (tmp_path / "x.pkl").write_bytes(raw)
    with pytest.raises(SourceError, match=r"x\.pkl cannot be read .*a key is a tuple of tuples"):
        load_pickle(tmp_path / "x.pkl")


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
    [bytearray(b"x"), frozenset({1}), 1j, {("v_1", 2): (1, (2, 3))}, {(1, 2)}],
    [np.asfortranarray(np.array([["a", 1, None], [2.5, "b", 3]], object))],
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
