"""A radar as a sensor of its own: the geometry of its bins, files of three kinds, and what is read of them."""

from __future__ import annotations

import inspect
import json
import shutil
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import savemat

import perfuse
from perfuse import pipeline
from perfuse.cli import main
from perfuse.core.errors import SourceError, UsageError
from perfuse.core.view import Trace
from perfuse.data.entry import read_entry
from perfuse.data.prepare import prepare
from perfuse.data.radars import READ, is_radar, open_radar
from perfuse.data.recording import Recording, Signal
from perfuse.methods import get_method
from perfuse.pipeline.echo import EchoStream, grid_rate_hz
from perfuse.radar.frontend import best_bin, circle_centre, displacement_mm, moving_bin, phase_steps
from perfuse.radar.kinds import AWR1443, KINDS, RadarKind
from perfuse.radar.record import RadarRecord, held
from perfuse.report.json import SCHEMA_PATH
from perfuse.synth.radar.cube import cube
from perfuse.synth.radar.record import packets
from perfuse.synth.subject import subject
from perfuse.video.trace import TraceStream, read_trace
from reader_scenes.making import Attack, dump

SECONDS = 45.0


@pytest.fixture(scope="module")
def person():
    return subject(709, "lab", duration_s=SECONDS, radar_quality="clean", width=64, height=64)


@pytest.fixture(scope="module")
def taken(person):
    return person.radar()


@pytest.fixture(scope="module")
def raw(taken):
    return taken.raw()


@pytest.fixture(scope="module")
def content(raw):
    """What rf.pkl holds."""
    return packets(raw)


def write_npz(path, taken, **arrays):
    """Write what `perfuse synth` writes."""
    arrays |= {f"config_{name}": np.asarray(value) for name, value in asdict(taken.config).items()} | arrays
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


@pytest.fixture(scope="module")
def files(person, taken, raw, content, tmp_path_factory):
    """One recording in three shapes."""
    folder = tmp_path_factory.mktemp("radars")
    dump(folder / "rf.pkl", content)
    write_npz(folder / "radar.npz", taken, samples=raw, times_s=taken.times_s, valid=taken.valid)
    other = subject(716, "lab", duration_s=SECONDS, width=64, height=64)
    cells = cube(np.random.default_rng(716), other.truth.heart, other.truth.lungs, SECONDS)
    savemat(folder / "mmwave.mat", {"mmwave": cells})
    return {"rf.pkl": person, "radar.npz": person, "mmwave.mat": other}, folder


@pytest.fixture(scope="module")
def record(files):
    return open_radar(files[1] / "radar.npz")


def pushed(record, history_s=None, ask=0, method="auto", name=None):
    """A session that took every chirp that arrived, and was asked now and then."""
    about = {"name": name or record.name, "kind": "radar", "radar": record.kind.name}
    session, cells = perfuse.Session(method, history_s=history_s, source=about), record.searched()
    session.warnings += record.notes
    for count, index in enumerate(np.flatnonzero(record.valid)):
        session.push_radar(float(record.times_s[index]), cells[index])
        if ask and count % ask == ask - 1:
            session.measure()
    return session


# --- geometry ----------------------------------------------------------------------------------------------------

number = st.floats(-1e4, 1e4)


@given(number, number, st.floats(1.0, 1e4), st.floats(0, 6.28), st.floats(0.5, 60.0))
def test_the_middle_of_an_arc_is_found(x, y, radius, start, span):
    turn = start + span * np.linspace(0, 1, 200)
    middle = complex(x, y)
    assert circle_centre(middle + radius * np.exp(1j * turn)) == pytest.approx(middle, abs=1e-3 * radius + 1e-4)


def test_points_without_a_circle_have_their_mean():
    line = np.linspace(0, 1, 50) * (3 + 4j)
    for points in (line, np.full(50, 2 - 1j), np.zeros(50, complex)):
        assert circle_centre(points) == pytest.approx(points.mean(), abs=1e-9)
    assert circle_centre(np.stack([line, np.exp(1j * np.arange(50))])).shape == (2,)


def chest(moved_mm, kind=AWR1443, wall=0.0, columns=15, at=7):
    """Range bins of a body at one bin, of a wall that stands still at another, and of leakage everywhere."""
    shape = np.exp(-0.5 * ((np.arange(columns) - at) / 0.7) ** 2)
    z = shape * np.exp(1j * kind.rad_per_mm * moved_mm)[:, None] + 0.3 * np.exp(1j * np.arange(columns))
    z[:, 2] += wall
    return z


def test_displacement_is_that_of_the_chest_beside_a_louder_wall():
    time_s = np.arange(1200) / 120
    moved = 5 * np.sin(2 * np.pi * 0.2 * time_s) + 0.1 * np.sin(2 * np.pi * 1.2 * time_s)
    z = chest(moved, wall=50.0)
    low = AWR1443.search_bins[0]
    assert best_bin(z, first=low) == low + 2  # the published choice takes the wall
    assert moving_bin(z) == 7
    assert displacement_mm(z, AWR1443) == pytest.approx(moved - moved[0], abs=0.05)


@given(st.floats(0.1, 100.0), st.floats(0, 6.28))
def test_steps_do_not_depend_on_gain_or_phase(gain, turn):
    z = chest(3 * np.sin(np.arange(300) / 40))
    steps, strength = phase_steps(z)
    other, louder = phase_steps(z * gain * np.exp(1j * turn))
    assert other == pytest.approx(steps, abs=1e-9)
    assert louder == pytest.approx(gain**2 * strength, rel=1e-6)


def test_what_stands_still_takes_no_step():
    still = np.full((4, 50, 3), 1e5 * (0.1 + 0.3j))
    assert not phase_steps(still)[0].any()
    assert not get_method("radar").fn(np.stack([still.real, still.imag], -1), 60.0).any()


def test_kinds_survive_a_file():
    for kind in KINDS.values():
        assert RadarKind.of(json.loads(json.dumps(asdict(kind)))) == kind
    for wrong in ({"samples": 0}, {"slope_hz_s": float("nan")}, {"search_m": 3}, {"frame_rate_hz": "x"}):
        with pytest.raises(ValueError, match=r"radar|float"):
            RadarKind.of(asdict(AWR1443) | wrong)
    with pytest.raises(ValueError, match="no radar is described"):
        RadarKind.of({})


def test_a_record_is_whole_or_none():
    good = RadarRecord(np.arange(3.0), np.ones((3, 256), np.complex64), np.ones(3, bool), AWR1443)
    low, high = AWR1443.search_bins
    assert good.searched().shape == (3, high - low + 1)
    assert replace(good, kind=None).searched().shape == (3, 256)
    assert replace(good, iq=np.ones((3, 2, 4), np.complex64)).searched().shape == (3, 8)
    for wrong in (
        {"times_s": np.array([0.0, 2.0, 1.0])},
        {"times_s": np.array([0.0, 1.0, 1.0])},
        {"times_s": np.array([0.0, np.nan, 1.0])},
        {"valid": np.ones(2, bool)},
        {"iq": np.ones(3, np.complex64)},
        {"iq": np.full((3, 4), np.inf, np.complex64)},
    ):
        with pytest.raises(ValueError, match=r"echoes|times"):
            replace(good, **wrong)


def test_held_values_are_those_before():
    iq = np.arange(5, dtype=np.complex64)[:, None]
    assert held(iq, np.array([0, 1, 0, 0, 1], bool))[:, 0].real.tolist() == [1, 1, 1, 1, 4]


@pytest.mark.parametrize(
    ("rate", "expected"), [(120.0, 60.0), (100.0, 60.0), (20.0, 20.0), (19.98, 20.0), (0.2, 1.0)]
)
def test_a_radar_is_taken_at_its_own_rate_or_at_most_60(rate, expected):
    assert grid_rate_hz(np.arange(40) / rate, 60.0) == expected
    assert grid_rate_hz(np.zeros(1), 60.0) == 60.0


# --- three kinds of files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rf.pkl", "radar.npz", "mmwave.mat"])
def test_pulse_and_breathing_of_a_file(files, name, capsys):
    people, folder = files
    assert main(["measure", str(folder / name), "--json", "-", "-q"]) == 0
    answer = json.loads(capsys.readouterr().out)
    jsonschema.validate(answer, json.loads(SCHEMA_PATH.read_text()))
    assert (answer["source"]["name"], answer["source"]["kind"], answer["method"]) == (name, "radar", "radar")
    truth, vitals = people[name].truth, answer["faces"][0]["vitals"]
    for vital, true, close in (("heart_rate", truth.heart_rate, 4), ("respiratory_rate", truth.respiratory_rate, 3)):
        found = vitals[vital]
        assert found["value"] == pytest.approx(true, abs=close)
        assert found["low"] < true < found["high"]
        assert found["quality"] >= 0.4
    assert answer["faces"][0]["waveforms"]["pulse"]["rate_hz"] == (20 if name == "mmwave.mat" else 60)
    assert ("chirps a second" in "".join(answer["warnings"])) == (name == "mmwave.mat")


def test_files_of_one_recording_agree(files):
    a, b = (open_radar(files[1] / name) for name in ("rf.pkl", "radar.npz"))
    count = len(a.times_s)
    assert count >= len(b.times_s) - 1
    assert a.times_s == pytest.approx(b.times_s[:count])
    np.testing.assert_array_equal(a.iq, b.iq[:count])
    assert a.kind == b.kind == AWR1443


def test_chest_moves_as_it_does(record, taken):
    stream = EchoStream(get_method("radar"), 0.0, 60.0, None)
    for time_s, echo in zip(record.times_s, record.searched()):
        stream.push(float(time_s), echo)
    stream.finish()
    found = stream.record()
    path = found.chest[:, 0] / AWR1443.rad_per_mm
    true = np.interp(np.arange(len(path)) / 60, taken.times_s, taken.chest_mm)  # towards the radar
    off = path + true
    assert np.corrcoef(path, -true)[0, 1] > 0.97
    assert np.std(off - np.polyval(np.polyfit(np.arange(len(off)), off, 1), np.arange(len(off)))) < 0.2 * true.std()


def test_streamed_offline_and_again_are_the_same_bytes(record):
    whole = perfuse.to_json(perfuse.measure(record))
    assert perfuse.to_json(perfuse.measure(record)) == whole
    assert perfuse.to_json(pushed(record).finish()) == whole
    assert perfuse.to_json(pushed(record, ask=777).finish()) == whole


def test_a_session_forgets(record):
    session = pushed(record, history_s=15, ask=2000)
    wave = session.finish().faces[0].pulse
    assert 15 * 60 <= len(wave) < 17 * 60
    assert wave.start + len(wave) == pytest.approx(SECONDS * 60, abs=2)


def test_the_page_speaks_of_a_chest(record):
    pytest.importorskip("matplotlib")
    from perfuse.report.html import render

    page = render(perfuse.measure(record))
    assert "How much the chest trembles" in page
    assert "blood volume in the skin" not in page


@pytest.mark.parametrize("ending", READ)
def test_radars_are_known_by_their_names(ending):
    assert is_radar(f"folder.mp4/chest{ending}")
    assert is_radar(Path(f"CHEST{ending.upper()}"))
    assert not is_radar(f"chest{ending}.mp4")
    assert not is_radar(f"http://somewhere/chest{ending}")


@pytest.mark.parametrize("name", ["rf.pkl", "mmwave.mat"])
def test_python_takes_the_path_as_the_command_does(files, name, capsys):
    path = files[1] / name
    assert main(["measure", str(path), "--json", "-", "-q"]) == 0
    told = capsys.readouterr().out
    assert perfuse.to_json(perfuse.measure(str(path))) + "\n" == told
    assert perfuse.to_json(perfuse.measure(open_radar(path))) + "\n" == told


def test_the_public_door_has_the_signature_that_type_checkers_see():
    ours, theirs = (inspect.signature(door) for door in (perfuse.measure, pipeline.measure))
    assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
        (p.name, p.kind, p.default) for p in theirs.parameters.values()
    ]
    assert perfuse.measure is not pipeline.measure


@pytest.mark.parametrize("options", [{"rate_hz": 30.0}, {"times_s": np.arange(3.0)}])
def test_a_radar_has_its_own_times(files, options):
    with pytest.raises(UsageError, match=r"rf\.pkl"):
        perfuse.measure(files[1] / "rf.pkl", **options)


@pytest.mark.parametrize("name", ["absent.pkl", "no\0name.npz", "x" * 5000 + ".mat"])
def test_what_is_not_there_is_told_by_the_door_too(name):
    with pytest.raises(SourceError, match="is not there"):
        perfuse.measure(name)


# --- what is wrong with files ---------------------------------------------------------------------------------------


def answer_of(path):
    return perfuse.measure(open_radar(path))


def lossy(content, lost, order=None):
    """Packets of a recording without some, in an order of choice."""
    payloads, numbers, sent, start, end = content
    keep = [i for i in (range(len(payloads)) if order is None else order) if i not in lost]
    return *([part[i] for i in keep] for part in (payloads, numbers, sent)), start, end


def test_lost_packets_are_told_and_shift_nothing(content, tmp_path, files):
    # 0.7 s at 20 s, and single packets here and there
    at = round(20 * 120 * 2048 / 1456)
    dump(tmp_path / "rf.pkl", lossy(content, {*range(at, at + 118), *range(500, 5000, 450)}))
    record = open_radar(tmp_path / "rf.pkl")
    assert record.times_s == pytest.approx(np.arange(len(record.times_s)) / 120)
    assert "chirps were lost" in record.notes[0]
    answer, whole = perfuse.measure(record), answer_of(files[1] / "rf.pkl")
    assert answer.warnings == record.notes
    wave = answer.faces[0].pulse
    hole = np.flatnonzero(~wave.valid) / 60
    assert hole.min() == pytest.approx(20.0, abs=0.05)
    assert hole.max() == pytest.approx(20.7, abs=0.05)
    assert answer.heart_rate.value == pytest.approx(whole.heart_rate.value, abs=1.0)
    late = wave.samples[31 * 60 : 44 * 60]  # what follows stays where it was
    same = whole.faces[0].pulse.samples[31 * 60 : 44 * 60]
    assert np.corrcoef(late, same)[0, 1] > 0.9


def test_packets_out_of_order_are_put_back(content, tmp_path, files):
    count = len(content[0])
    order = list(range(count))
    for at in range(100, count - 1, 400):
        order[at], order[at + 1] = order[at + 1], order[at]
    dump(tmp_path / "rf.pkl", lossy(content, set(), order))
    answer = answer_of(tmp_path / "rf.pkl")
    assert "out of order" in answer.warnings[0]
    assert perfuse.to_json(replace(answer, warnings=())) == perfuse.to_json(answer_of(files[1] / "rf.pkl"))


def test_a_clock_that_disagrees_is_told(raw, tmp_path):
    dump(tmp_path / "rf.pkl", packets(raw[:1200], 60.0))  # half the rate: 20 s by the computer's clock
    (note,) = open_radar(tmp_path / "rf.pkl").notes
    assert note == "the chirps last 10.0 s, but the file says 20.0 s from start to end"


def test_a_malicious_pickle_is_refused_and_not_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    dump(tmp_path / "rf.pkl", ([Attack()], [1], [0]))
    assert main(["measure", "rf.pkl"]) == 3
    assert "can run code, so it is refused" in capsys.readouterr().err
    np.savez(tmp_path / "radar.npz", samples=np.array([Attack()], object))
    with pytest.raises(SourceError, match=r"radar\.npz"):
        open_radar(tmp_path / "radar.npz")
    np.save(tmp_path / "radar", np.array([Attack()], object))
    (tmp_path / "radar.npy").replace(tmp_path / "radar.npz")
    with pytest.raises(SourceError, match="is no archive of arrays") as told:
        open_radar(tmp_path / "radar.npz")
    assert "allow_pickle" not in str(told.value)  # what numpy advises
    assert sorted(path.name for path in tmp_path.iterdir()) == ["radar.npz", "rf.pkl"]


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"times_s": np.r_[0.0, 3.0, 2.0, 4.0:301.0]}, "increase"),
        ({"times_s": np.zeros(300)}, "increase"),
        ({"times_s": np.arange(299.0)}, "300"),
        ({"samples": np.zeros((300, 64, 2), np.int16)}, r"\(300, 64, 2\)"),
        ({"samples": np.zeros((300, 256), np.int16)}, r"\(300, 256\)"),
        ({"valid": np.zeros(300, bool)}, "what arrived"),
        ({"valid": np.full(300, np.nan)}, "neither 0 nor 1"),
        ({"valid": np.full(300, 2)}, "neither 0 nor 1"),
        ({"valid": np.full(300, "no")}, "valid of type"),
        ({"samples": np.zeros((300, 256, 2), complex)}, "samples of type complex128"),
        ({"times_s": np.arange(300) + 0j}, "times_s of type complex128"),
        ({"valid": None}, "valid"),
        ({"samples": None}, "Expected is .* samples, times_s, valid"),
        ({"config_slope_hz_s": None}, "slope_hz_s"),
        ({"config_sample_rate_hz": np.float64(-1)}, "cannot be"),
    ],
)
def test_damaged_recordings_of_our_own_are_refused(taken, raw, tmp_path, changes, hint):
    short = {"samples": raw[:300], "times_s": taken.times_s[:300], "valid": taken.valid[:300]}
    write_npz(tmp_path / "radar.npz", taken, **(short | changes))
    with pytest.raises(SourceError, match=hint):
        open_radar(tmp_path / "radar.npz")


def test_times_that_do_not_fit_the_rate_are_told(taken, raw, tmp_path):
    short = {"samples": raw[:300], "valid": taken.valid[:300]}
    for rate, told in ((100.0, 1), (121.0, 0)):
        write_npz(tmp_path / "radar.npz", taken, **short, times_s=np.arange(300) / rate)
        record = open_radar(tmp_path / "radar.npz")
        assert record.times_s == pytest.approx(np.arange(300) / rate)
        note = "the times say 100 chirps a second, but config_frame_rate_hz 120; the times count"
        assert record.notes == (note,) * told


@pytest.mark.parametrize("shape", [(60, 2, 8, 16), (60, 8, 2, 16, 8), (60, 2, 8, 16, 4), (0, 2, 8, 16, 8)])
def test_cubes_of_another_shape_are_refused(tmp_path, shape):
    savemat(tmp_path / "mmwave.mat", {"mmwave": np.zeros(shape)})
    with pytest.raises(SourceError, match="shape"):
        open_radar(tmp_path / "mmwave.mat")


def test_frames_that_are_no_numbers_are_gaps(files, tmp_path):
    from scipy.io import loadmat

    cells = loadmat(files[1] / "mmwave.mat")["mmwave"]
    cells[100:140] = np.nan
    savemat(tmp_path / "mmwave.mat", {"mmwave": cells})
    record = open_radar(tmp_path / "mmwave.mat")
    assert record.notes == (f"40 of {len(cells)} frames are no numbers",)
    wave = perfuse.measure(record).faces[0].pulse
    assert (~wave.valid).sum() == pytest.approx(40, abs=2)
    savemat(tmp_path / "mmwave.mat", {"mmwave": np.full((50, 2, 8, 16, 8), np.nan)})
    with pytest.raises(SourceError, match="no finite number"):
        open_radar(tmp_path / "mmwave.mat")


@pytest.mark.parametrize("name", ["rf.pkl", "radar.npz", "mmwave.mat"])
def test_files_cut_short_or_of_something_else_are_sentences(files, tmp_path, name, capsys):
    path = tmp_path / name
    whole = (files[1] / name).read_bytes()
    for content in (b"", b"no radar", whole[: len(whole) // 2]):
        path.write_bytes(content)
        assert main(["measure", str(path), "-q"]) == 3
        assert "Traceback" not in capsys.readouterr().err
    for place in (tmp_path, tmp_path / f"missing{path.suffix}", Path(shutil.copy(__file__, tmp_path / "x.py"))):
        with pytest.raises(SourceError):
            open_radar(place)
    assert main(["measure", str(files[1] / name), "--rate", "30"]) == 2
    assert main(["live", str(files[1] / name)]) == 2
    assert "cannot be played" in capsys.readouterr().err


def test_prepare_tells_of_a_radar_that_does_not_fit_its_video(record, tmp_path):
    table = tmp_path / "trace.csv"
    rows = [f"{k / 30},{120 + k % 3},{90 + k % 2},80" for k in range(900)]
    table.write_text("time_s,red,green,blue\n" + "\n".join(rows) + "\n")
    first = record.times_s < 12.0
    short = RadarRecord(
        record.times_s[first], record.iq[first, :30], record.valid[first], record.kind, ("5 of 9 chirps were lost",)
    )
    recording = Recording(
        "folder", "a", "a", partial(lambda path: TraceStream(read_trace(path)), table),
        lambda: {"pulse": Signal.uniform(np.sin(np.arange(900) / 5), 30.0)}, (table,), radar=lambda: short,
    )  # fmt: skip
    done = prepare([recording], Trace(), tmp_path / "cache")
    told = [problem.message for problem in done.problems]
    assert "Its radar lasts from 0.0 to 12.0 s, the video from 0.0 to 30.0 s." in told
    assert "Of its radar, 5 of 9 chirps were lost." in told
    kept = read_entry(done.entries["a"]).radar()
    assert kept.kind == AWR1443
    np.testing.assert_array_equal(kept.iq, short.iq)
    np.testing.assert_array_equal(kept.times_s, short.times_s)  # as they were: nothing is stretched to fit


# --- sessions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "echo", [3.0, [], [[1j, 2j]], ["a"], [np.nan, 1j], [complex(0, np.inf), 1j], [1j], [1j, 1j, 1j]]
)
def test_a_bad_echo_changes_nothing(echo):
    session = perfuse.Session()
    session.push_radar(0.0, [1j, 2.0])
    with pytest.raises(UsageError):
        session.push_radar(0.01, echo)
    with pytest.raises(UsageError, match="rise"):
        session.push_radar(0.0, [1j, 2.0])
    session.push_radar(0.01, [1j, 2.0])
    assert session.finish().source["frames"] == 2


def test_sensors_and_methods_do_not_mix():
    picture = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(UsageError, match="reads a radar"):
        perfuse.Session("radar").push(picture, 0.0)
    with pytest.raises(UsageError, match="does not read a radar"):
        perfuse.Session("pos").push_radar(0.0, [1j])
    with pytest.raises(UsageError, match="needs a radar"):
        perfuse.Session("radar").push_trace(0.0, (1, 2, 3))
    session = perfuse.Session()
    session.push_radar(0.0, [1j])
    for wrong in (lambda: session.push(picture, 1.0), lambda: session.push_trace(1.0, (1, 2, 3))):
        with pytest.raises(UsageError, match="radar session"):
            wrong()


def test_nothing_there_is_no_value_and_a_reason():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(3600, 14, 2)) @ [1, 1j]
    times = np.arange(3600) / 120
    for iq in (noise, np.ones((3600, 14)) + 0j, noise[:200], noise[:1]):
        record = RadarRecord(times[: len(iq)], iq.astype(np.complex64), np.ones(len(iq), bool))
        answer = perfuse.measure(record)
        assert answer.heart_rate.value is None
        assert answer.heart_rate.reason
        assert answer.respiratory_rate.value is None
    nobody = RadarRecord(np.zeros(0), np.zeros((0, 4), np.complex64), np.zeros(0, bool))
    with pytest.raises(SourceError, match="no echo"):
        perfuse.measure(nobody)


@pytest.mark.parametrize("level", [0.0, 5.0, 50.0])
def test_a_wall_does_not_breathe(level):
    """Long enough for breaths to be counted: noise about still echoes must not be."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        noise = rng.normal(size=(1200, 7, 2)) @ [1, 1j]
        iq = level * np.exp(1j * rng.uniform(0, 6, 7)) + noise
        record = RadarRecord(np.arange(1200) / 20, iq.astype(np.complex64), np.ones(1200, bool))
        assert perfuse.measure(record).respiratory_rate.value is None


def test_too_slow_a_radar_sees_no_vibration():
    rng = np.random.default_rng(0)
    record = RadarRecord(np.arange(400) / 10, (rng.normal(size=(400, 3, 2)) @ [1, 1j]).astype(np.complex64), np.ones(400, bool))  # fmt: skip  # noqa: E501
    answer = perfuse.measure(record)
    assert answer.heart_rate.value is None
    assert "10.0 chirps a second" in "".join(answer.warnings)
