import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods_scene import chunks
from perfuse.core.card import Card
from perfuse.core.errors import UsageError
from perfuse.core.method import Method
from perfuse.core.signals import Chunk, Waveform
from perfuse.core.view import Trace
from perfuse.methods.windowed import fold, windowed

RATE = 10.0
CARD = Card(name="toy", title="toy", paper="none", equation="none")


def toy(windows, rate_hz):
    """Something that depends on the whole window, so that no two windows agree."""
    red = windows[..., 0]
    return (red - red.mean(axis=-1, keepdims=True)) * (1 + red.std(axis=-1, keepdims=True))


def judging(windows, rate_hz):
    """The same, with a trust that depends on the whole window and differs within it."""
    wave = toy(windows, rate_hz)
    return np.stack([wave, 0.5 + 0.4 * np.tanh(wave / 20)], axis=-1)


def make(size, hop, least, taper="hann", fn=toy):
    hop_s = None if hop is None else hop / RATE
    return windowed(fn, card=CARD, view=Trace(), window_s=size / RATE, hop_s=hop_s, min_s=least / RATE, taper=taper)


def starts_of(count, size, hop):
    """Every window of a segment, from the definition."""
    if count < size:
        return [0]
    regular = list(range(0, count - size + 1, hop))
    return regular if regular[-1] + size == count else [*regular, count - size]


def by_definition(values, size, hop, least, taper, fn=toy):
    """Weighted mean of all window estimates, sample by sample."""
    count = len(values)
    if count < least:
        return np.zeros(count), np.zeros(count, bool)
    size = min(size, count)
    above, below = np.zeros(count), np.zeros(count)
    for start in starts_of(count, size, hop):
        estimate = fn(values[start : start + size].astype(float), RATE)
        for k in range(size):
            weight = 1.0 if taper == "flat" else np.sin(np.pi * (k + 0.5) / size) ** 2
            above[start + k] += weight * estimate[k]
            below[start + k] += weight
    return above / below, np.ones(count, bool)


def noise(count, seed=0):
    return np.random.default_rng(seed).normal(100, 5, (count, 2, 3)).astype(np.float32)


shapes = st.tuples(st.integers(2, 12), st.integers(1, 12), st.integers(2, 12)).map(
    lambda s: (s[0], min(s[1], s[0]), min(s[2], s[0]))
)


@given(shapes, st.integers(0, 45), st.sampled_from(["hann", "flat"]))
def test_overlap_add_is_the_weighted_mean(shape, count, taper):
    size, hop, least = shape
    values = noise(count)
    wave = fold(make(size, hop, least, taper), chunks(values, RATE))
    samples, valid = by_definition(values[:, 0], size, hop, least, taper)
    np.testing.assert_allclose(wave.samples, samples, atol=1e-9)
    assert np.array_equal(wave.valid, valid)


@given(shapes, st.integers(0, 45), st.sampled_from(["hann", "flat"]))
def test_trust_is_averaged_like_the_wave_and_leaves_it_alone(shape, count, taper):
    size, hop, least = shape
    values = noise(count)
    wave = fold(make(size, hop, least, taper, judging), chunks(values, RATE))
    plain = fold(make(size, hop, least, taper), chunks(values, RATE))
    assert plain.trust is None
    assert (plain.samples.tobytes(), plain.valid.tobytes()) == (wave.samples.tobytes(), wave.valid.tobytes())
    if count < least:
        assert wave.trust is None
        return
    trust, _ = by_definition(values[:, 0], size, hop, least, taper, lambda *window: judging(*window)[:, 1])
    np.testing.assert_allclose(wave.trust, trust, atol=1e-9)


@given(shapes, st.integers(2, 45))
def test_full_trust_stays_full(shape, count):
    """Not 1 - 1e-16: a network that never doubts gives the very answer of one that does not judge."""
    size, hop, _ = shape
    sure = make(size, hop, 2, fn=lambda *window: np.stack([toy(*window), np.ones(window[0].shape[:2])], axis=-1))
    assert (fold(sure, chunks(noise(count), RATE)).trust == 1).all()


@given(shapes, st.integers(0, 60), st.data())
def test_trust_does_not_know_of_chunks(shape, total, data):
    method = make(*shape, fn=judging)
    values = noise(total)
    valid = np.ones(total, bool)
    for low in data.draw(st.lists(st.integers(0, total), max_size=4)):
        valid[low : low + data.draw(st.integers(1, 8))] = False
    whole = fold(method, chunks(values, RATE, valid))
    state, emitted = method.start(), []
    for chunk in chunks(values, RATE, valid, cuts=data.draw(st.lists(st.integers(0, total), max_size=8)), last=False):
        state, wave = method.step(state, chunk)
        emitted.append(wave)
        stop = chunk.start + len(chunk)
        peek = method.step(state, Chunk(stop, RATE, values[:0], valid[:0], last=True))[1]
        prefix = fold(method, chunks(values[:stop], RATE, valid[:stop]))
        same_trust(Waveform.concatenate([*emitted, peek]), prefix)
    same_trust(Waveform.concatenate([*emitted, peek]), whole)
    assert (whole.trust is None) == (not whole.valid.any())
    if whole.trust is not None:
        assert not whole.trust[~whole.valid].any()
        assert (whole.trust[whole.valid] > 0).all()


def same_trust(one, two):
    assert (one.trust is None) == (two.trust is None)
    assert one.trust is None or one.trust.tobytes() == two.trust.tobytes()


@given(shapes, st.integers(1, 60), st.data())
def test_samples_come_out_as_soon_as_they_are_settled(shape, total, data):
    size, hop, least = shape
    method = make(size, hop, least)
    values = noise(total)
    cuts = data.draw(st.lists(st.integers(0, total), max_size=6))
    state, out = method.start(), 0
    for chunk in chunks(values, RATE, cuts=cuts, last=False):
        state, wave = method.step(state, chunk)
        out += len(wave)
        count = chunk.start + len(chunk)
        done = set(range(0, count - size + 1, hop))
        # Whatever may still come: the segment may end now or at any later sample.
        to_come = {s for later in range(count, count + 2 * size + 1) for s in starts_of(later, size, hop)}
        assert out == (min(to_come - done, default=count) if count >= size else 0)


@given(shapes, st.integers(0, 60), st.data())
def test_chunking_gaps_and_looking_ahead(shape, total, data):
    size, hop, least = shape
    method = make(size, hop, least)
    values = noise(total)
    valid = np.ones(total, bool)
    for low in data.draw(st.lists(st.integers(0, total), max_size=4)):
        valid[low : low + data.draw(st.integers(1, 8))] = False
    whole = fold(method, chunks(values, RATE, valid))
    state, emitted = method.start(), []
    for chunk in chunks(values, RATE, valid, cuts=data.draw(st.lists(st.integers(0, total), max_size=8)), last=False):
        state, wave = method.step(state, chunk)
        emitted.append(wave.samples)
        stop = chunk.start + len(chunk)
        peek = method.step(state, Chunk(stop, RATE, values[:0], valid[:0], last=True))[1]
        prefix = fold(method, chunks(values[:stop], RATE, valid[:stop]))
        assert np.array_equal(np.concatenate([*emitted, peek.samples]), prefix.samples)
    assert np.array_equal(np.concatenate([*emitted, peek.samples]), whole.samples)
    assert len(whole) == total
    assert not whole.valid[~valid].any()
    assert not whole.samples[~whole.valid].any()


@given(shapes, st.integers(0, 30), st.integers(1, 5), st.integers(0, 30))
def test_each_side_of_a_gap_is_its_own_recording(shape, before, gap, after):
    method = make(*shape)
    values = noise(before + gap + after)
    valid = np.ones(len(values), bool)
    valid[before : before + gap] = False
    values[before : before + gap] = np.nan  # placeholders must never be read
    wave = fold(method, chunks(values, RATE, valid))
    parts = [fold(method, chunks(part, RATE)) for part in (values[:before], values[before + gap :])]
    assert np.array_equal(wave.samples, np.concatenate([parts[0].samples, np.zeros(gap), parts[1].samples]))
    assert np.array_equal(wave.valid, np.concatenate([parts[0].valid, np.zeros(gap, bool), parts[1].valid]))


def test_states_are_values():
    method = make(8, 3, 4)
    values = noise(40)
    state, _ = method.step(method.start(), chunks(values[:20], RATE, last=False)[0])
    before = [state.tail.copy(), state.total.copy(), state.weight.copy()]
    follow = Chunk(20, RATE, values[20:], np.ones(20, bool))
    first = method.step(state, follow)[1].samples
    method.step(state, Chunk(20, RATE, values[:0], np.ones(0, bool), last=True))
    assert np.array_equal(first, method.step(state, follow)[1].samples)
    assert all(np.array_equal(a, b) for a, b in zip(before, [state.tail, state.total, state.weight]))


@pytest.mark.parametrize("block", [1, 7, 100])
def test_memory_does_not_grow(block):
    method = make(20, None, 5)
    values = noise(block)
    state = method.start()
    for k in range(300):
        state, _ = method.step(state, Chunk(k * block, RATE, values, np.ones(block, bool)))
        assert max(len(state.tail), len(state.total), len(state.weight)) <= 20
        assert state.tail.base is None, "a view would keep the whole chunk alive"


def test_recordings_may_start_anywhere():
    method = make(8, 3, 4)
    values = noise(30)
    there = fold(method, chunks(values, RATE, start=1000, cuts=[7]))
    assert there.start == 1000
    assert np.array_equal(there.samples, fold(method, chunks(values, RATE)).samples)


def test_only_the_first_region_counts():
    method = make(8, 3, 4)
    values = noise(30)
    assert np.array_equal(
        fold(method, chunks(values, RATE)).samples, fold(method, chunks(values[:, :1], RATE)).samples
    )


def test_fold_without_a_last_chunk_and_without_any():
    method = make(8, 3, 4)
    values = noise(30)
    open_end = fold(method, chunks(values, RATE, last=False))
    assert np.array_equal(open_end.samples, fold(method, chunks(values, RATE)).samples)
    with pytest.raises(UsageError, match="No chunks"):
        fold(method, [])


def test_what_cannot_follow_is_refused():
    method = make(8, 3, 4)
    values = noise(30)
    state, _ = method.step(method.start(), chunks(values, RATE, last=False)[0])
    with pytest.raises(UsageError, match="consecutive"):
        method.step(state, Chunk(31, RATE, values, np.ones(30, bool)))
    with pytest.raises(UsageError, match="consecutive"):
        method.step(state, Chunk(30, 2 * RATE, values, np.ones(30, bool)))
    with pytest.raises(UsageError, match="positive rate"):
        method.step(method.start(), Chunk(0, 0.0, values, np.ones(30, bool)))
    with pytest.raises(UsageError, match=r"\(samples, regions, 3\)"):
        method.step(method.start(), Chunk(0, RATE, values[:, 0], np.ones(30, bool)))


@pytest.mark.parametrize("times", [(1.0, 2.0, 0.5), (1.0, 0.0, 0.5), (1.0, None, 1.5), (1.0, 0.5, 0.0)])
def test_impossible_windows_are_refused(times):
    window_s, hop_s, min_s = times
    with pytest.raises(ValueError, match="window"):
        windowed(toy, card=CARD, view=Trace(), window_s=window_s, hop_s=hop_s, min_s=min_s)


def test_a_windowed_method_is_a_method():
    assert isinstance(make(8, 3, 4), Method)
