"""Folders of recordings: what each layout writes, read back by hand, and runs that are interrupted."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import fields, replace
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from perfuse.core.errors import OutputError, UsageError
from perfuse.core.frame import Frame
from perfuse.face import BlazeFace
from perfuse.synth import Settings, subject
from perfuse.synth.camera.encoders import REAL_CODECS, encoder, encoder_options
from perfuse.synth.domains import DOMAINS
from perfuse.synth.layouts import equipleth, native, pure
from perfuse.synth.layouts.files import scaled
from perfuse.synth.layouts.folder import MANIFEST, make
from perfuse.synth.layouts.known import LAYOUTS, get_layout
from perfuse.synth.layouts.plan import Layout, Take, canonical, digest, people, plan, seed_of
from perfuse.synth.layouts.work import HIDDEN, record, strangers
from perfuse.synth.settings import settle
from perfuse.video.source import open_source

SMALL = {"width": 80, "height": 64, "duration_s": 2.0}


def built(folder, name, count=1, domain=None, radar=False, **asked):
    """Make a small folder of a layout and return its takes."""
    layout = get_layout(name)
    members = people(count, domain or layout.domain, 7, SMALL | asked)
    takes = plan(layout, members, radar=radar)
    make(folder, layout, takes, {"seed": 7})
    return takes


def person(take):
    return subject(take.seed, take.domain, **take.asked)


def tree(folder):
    """Return every file below a folder with its bytes."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


# --- perfuse ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """One person, kept without loss, with a radar: folder and take."""
    folder = tmp_path_factory.mktemp("ours")
    (take,) = built(folder, "perfuse", domain="webcam", radar=True, codec="none", label_fault="missing")
    return folder, take


def columns(path):
    table = np.genfromtxt(path, delimiter=",", names=True)
    return {name: table[name] for name in table.dtype.names}


def test_video_holds_every_frame_at_its_time(ours):
    folder, take = ours
    wanted = list(person(take).frames())
    with open_source(folder / take.id / "video.mp4") as stream:
        seen = [(frame.time_s, frame.rgb()) for frame in stream]
    assert len(seen) == len(wanted)
    assert np.ptp(np.diff([time_s for time_s, _ in wanted])) > 1e-3, "a webcam's frames are not even"
    for (time_s, picture), (true_s, true) in zip(seen, wanted, strict=True):
        assert abs(time_s - true_s) <= 0.5 / 90_000 + 1e-9
        assert np.array_equal(picture, true)


def test_truth_is_that_of_subject_write(ours, tmp_path):
    folder, take = ours
    told = json.loads((folder / take.id / "truth.json").read_text())
    person(take).write(tmp_path / "face.mp4", truth_path=tmp_path / "truth.json")
    plain = json.loads((tmp_path / "truth.json").read_text())
    assert told["settings"] == plain["settings"]
    assert told["encoder"] == plain["encoder"]
    assert (tmp_path / "face.mp4").read_bytes() == (folder / take.id / "video.mp4").read_bytes()
    assert {key: told["truth"][key] for key in plain["truth"]} == plain["truth"]
    assert told["truth"]["ita_deg"] == pytest.approx(person(take).skin.ita_deg, abs=0.01)
    assert 1 <= told["truth"]["fitzpatrick"] <= 6
    assert told["sensors"]["fault"] == "missing"


def test_a_seed_in_the_manifest_gives_the_same_person(ours):
    folder, take = ours
    manifest = json.loads((folder / MANIFEST).read_text())
    (row,) = manifest["recordings"]
    again = subject(row["seed"], row["domain"], **row["asked"])
    told = json.loads((folder / take.id / "truth.json").read_text())
    assert told["truth"]["heart_rate"] == round(again.truth.heart_rate, 4)
    assert digest(again.settings) == row["settings"]
    assert len(row["sha256"]) == len(manifest["sha256"]) == 64
    files = list((folder / take.id).iterdir())
    assert (row["files"], row["bytes"]) == (len(files), sum(path.stat().st_size for path in files))


def test_references_are_the_sensors_own(ours):
    folder, take = ours
    who, place = person(take), folder / take.id
    contact, shown = who.contact(), columns(place / "contact.csv")
    assert shown["time_s"] == pytest.approx(contact.times_s, abs=1e-6)
    assert np.array_equal(shown["valid"] > 0, contact.valid)
    assert shown["ppg"] == pytest.approx(contact.values, rel=1e-5, abs=1e-6, nan_ok=True)
    assert columns(place / "belt.csv")["respiration"] == pytest.approx(who.belt().values, rel=1e-5, abs=1e-6)
    assert columns(place / "ecg.csv")["ecg_mv"] == pytest.approx(who.ecg().values_mv, rel=1e-5, abs=1e-6)
    frames = columns(place / "frames.csv")
    assert frames["time_s"] == pytest.approx(who.times_s, abs=1e-6)
    assert frames["pulse"] == pytest.approx(who.truth.pulse(who.times_s), rel=1e-5, abs=1e-6)
    assert frames["respiration"] == pytest.approx(who.truth.respiration(who.times_s), rel=1e-5, abs=1e-6)


def test_beats_have_the_interval_since_the_beat_before(ours):
    folder, take = ours
    beats, told = columns(folder / take.id / "beats.csv"), person(take).truth.beats_s
    assert np.atleast_1d(beats["time_s"]) == pytest.approx(told, abs=1e-5)
    assert beats["inter_beat_interval_s"][1:] == pytest.approx(np.diff(beats["time_s"]), abs=1e-5)
    assert 0.25 < beats["inter_beat_interval_s"][0] < 2


def test_radar_file_holds_the_recording(ours):
    folder, take = ours
    radar = person(take).radar()
    with np.load(folder / take.id / "radar.npz") as held:
        assert np.array_equal(held["samples"], radar.raw())
        assert np.array_equal(held["valid"], radar.valid)
        assert held["iq"] == pytest.approx(radar.iq(), rel=1e-5, abs=1.0)
        assert held["times_s"] == pytest.approx(np.arange(len(radar.times_s)) / float(held["config_frame_rate_hz"]))


def test_without_a_pulse_there_is_no_rate_and_no_sensor(tmp_path):
    (take,) = built(tmp_path, "perfuse", domain="no-pulse", radar=True, kind="doll")
    told = json.loads((tmp_path / take.id / "truth.json").read_text())
    assert told["truth"]["heart_rate"] is None
    assert told["truth"]["respiratory_rate"] is None
    assert told["truth"]["beats_s"] == told["truth"]["breaths_s"] == []
    assert {path.name for path in (tmp_path / take.id).iterdir()} == {"video.mp4", "truth.json", "frames.csv"}
    frames = columns(tmp_path / take.id / "frames.csv")
    assert not frames["pulse"].any()
    assert not frames["respiration"].any()


def test_whoever_is_behind_a_mask_breathes(tmp_path):
    (take,) = built(tmp_path, "perfuse", domain="no-pulse", kind="mask")
    told, who = json.loads((tmp_path / take.id / "truth.json").read_text())["truth"], person(take)
    assert told["respiratory_rate"] == pytest.approx(who.truth.respiratory_rate, abs=1e-3)
    assert told["breaths_s"] == pytest.approx(who.truth.breaths_s, abs=1e-3)
    assert (told["heart_rate"], told["beats_s"], told["pulse_depth"]) == (None, [], 0.0)
    frames = columns(tmp_path / take.id / "frames.csv")
    assert frames["respiration"] == pytest.approx(who.truth.respiration(who.times_s), rel=1e-5, abs=1e-6)
    assert not frames["pulse"].any()


NAMES = next(f.metadata["names"] for f in fields(Settings) if f.name == "codec")


@given(st.sampled_from(NAMES), st.floats(0, 51), st.integers(64, 4096), st.integers(64, 4096), st.floats(5, 240))
def test_every_codec_and_quality_has_an_encoder(codec, quality, width, height, rate_hz):
    asked = settle(0, "lab")
    how = encoder(replace(asked, codec=codec, quality=quality, width=width, height=height, rate_hz=rate_hz))
    real = {"none": "lossless"}.get(codec, codec)
    assert how["codec"] == REAL_CODECS[real].codec
    assert set(how["options"]) - {"x264-params"} == set(encoder_options(real)["options"])
    assert how.get("pixel_format") == ("yuv420p" if codec == "mpeg4" and (width % 2 or height % 2) else None)


@pytest.mark.parametrize("size", [(80, 64), (83, 64), (80, 65), (83, 65)], ids=str)
@pytest.mark.parametrize("codec", NAMES)
def test_every_codec_can_be_written_and_read(tmp_path, codec, size):
    (take,) = built(tmp_path, "perfuse", codec=codec, duration_s=1.2, width=size[0], height=size[1])
    times = person(take).times_s
    with open_source(tmp_path / take.id / "video.mp4") as stream:
        seen = [(frame.time_s, frame.rgb()) for frame in stream]
    assert [time_s for time_s, _ in seen] == pytest.approx(times, abs=1.01 / 120_000)
    error = np.mean([abs(shown - true.astype(float)) for (_, shown), (_, true) in zip(seen, person(take).frames())])
    assert error < 4, "the right pictures, in the right colours"
    assert (error == 0) == (codec == "none")


@pytest.mark.parametrize("codec", NAMES)
def test_the_same_person_gives_the_same_bytes(tmp_path, codec):
    rng = np.random.default_rng()
    pictures = list(person(plan(get_layout("perfuse"), people(1, "lab", 7, SMALL))[0]).frames())
    asked = replace(settle(7, "lab", SMALL), codec=codec, quality=9.0)
    files = set()
    for _ in range(4):
        junk = [rng.integers(1, 256, size, np.uint8) for size in rng.integers(1_000, 2_000_000, 6)]
        del junk  # what encoders find where they forget to write
        still = SimpleNamespace(settings=asked, frames=lambda: iter(pictures))
        native.write_film(tmp_path / "video.mp4", still, encoder(asked), lambda time_s: None)
        files.add((tmp_path / "video.mp4").read_bytes())
    assert len(files) == 1


# --- UBFC-rPPG ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ubfc(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ubfc")
    (take,) = built(folder, "ubfc", domain="webcam", width=83)
    return folder, take


def test_ubfc_has_the_files_of_the_original(ubfc):
    folder, _ = ubfc
    assert {*tree(folder / "subject1")} == {"vid.avi", "ground_truth.txt"}
    lines = (folder / "subject1" / "ground_truth.txt").read_text().splitlines()
    assert len(lines) == 3
    assert all("e" in word for line in lines for word in line.split()), "scientific notation"


def test_ubfc_video_is_raw_and_without_loss(ubfc):
    import av

    folder, take = ubfc
    who = person(take)
    with av.open(str(folder / "subject1" / "vid.avi")) as container:
        video = container.streams.video[0]
        assert (container.format.name, video.codec_context.name, video.pix_fmt) == ("avi", "rawvideo", "bgr24")
        seen = [frame.to_ndarray(format="rgb24") for frame in container.decode(video)]
        rate = video.average_rate
    assert float(rate or 0) == pytest.approx((len(seen) - 1) / who.duration_s, rel=1e-3)
    assert np.array_equal(seen, [picture for _, picture in who.frames()])


def test_ubfc_truth_has_a_column_per_frame(ubfc):
    folder, take = ubfc
    who = person(take)
    ppg, rate, time_s = np.loadtxt(folder / "subject1" / "ground_truth.txt")
    assert time_s == pytest.approx(who.times_s, abs=1e-6)
    assert ppg.mean() == pytest.approx(0, abs=1e-6)
    assert ppg.std() == pytest.approx(1, abs=1e-6)
    contact = who.contact(rate_hz=60.0)
    assert np.corrcoef(ppg, np.interp(time_s, contact.times_s, contact.clean))[0, 1] > 0.98
    assert np.array_equal(rate, np.rint(rate))
    assert abs(rate.mean() - who.truth.heart_rate) < 15


# --- PURE ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pure_set(tmp_path_factory):
    """Two of the six set-ups of one person."""
    folder = tmp_path_factory.mktemp("pure")
    takes = plan(pure.PURE, people(1, "lab", 7, SMALL))
    for take in (takes[0], takes[3]):
        record(folder, pure.PURE, take)
        shutil.copytree(folder / f"{HIDDEN}{take.id}", folder, dirs_exist_ok=True)
    return folder, takes


def test_pure_names_images_by_their_time(pure_set):
    folder, takes = pure_set
    content = json.loads((folder / "01-04" / "01-04.json").read_text())
    stamps = [row["Timestamp"] for row in content["/Image"]]
    names = sorted(path.name for path in (folder / "01-04" / "01-04").iterdir())
    assert names == [f"Image{stamp}.png" for stamp in stamps], "names in alphabetical order are in order of time"
    wanted = list(person(takes[3]).frames())
    assert (np.array(stamps) - stamps[0]) / 1e9 == pytest.approx([time_s for time_s, _ in wanted], abs=1e-6)
    for name, (_, picture) in zip(names, wanted, strict=True):
        assert np.array_equal(np.asarray(Image.open(folder / "01-04" / "01-04" / name)), picture)


def test_pure_oximeter_has_a_clock_of_sixty_hertz(pure_set):
    folder, takes = pure_set
    content = json.loads((folder / "01-01" / "01-01.json").read_text())
    package, begin = content["/FullPackage"], content["/Image"][0]["Timestamp"]
    time_s = (np.array([row["Timestamp"] for row in package]) - begin) / 1e9
    assert np.diff(time_s) == pytest.approx(1 / 60, abs=1e-6)
    assert content["/Image"][-1]["Timestamp"] - package[-1]["Timestamp"] < 1e9 / 60
    assert {*package[0]["Value"]} == {"waveform", "pulseRate", "o2saturation"}
    wave = np.array([row["Value"]["waveform"] for row in package])
    assert (wave.min(), wave.max(), wave.dtype.kind) == (0, 100, "i")
    contact = person(takes[0]).contact(rate_hz=60.0)
    assert np.corrcoef(wave, np.interp(time_s, contact.times_s, contact.clean))[0, 1] > 0.95


def test_pure_has_six_setups_of_the_same_person():
    takes = plan(pure.PURE, people(2, "lab", 7, SMALL))
    assert [take.id for take in takes] == [f"{who:02d}-{setup:02d}" for who in (1, 2) for setup in range(1, 7)]
    first = [take.settings() for take in takes[:6]]
    assert {s.motion for s in first} == {"still", "talk", "translate", "rotate"}
    assert len({(s.seed, s.tone, s.age_y, s.wear) for s in first}) == 1
    assert len({s.heart_rate for s in first}) == 6
    assert first[2].motion_scale < first[3].motion_scale
    assert first[4].motion_scale < first[5].motion_scale
    assert takes[6].seed != takes[0].seed


# --- EquiPleth ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def equi(tmp_path_factory):
    folder = tmp_path_factory.mktemp("equi")
    return folder, built(folder, "equipleth", radar_quality="clean", duration_s=1.2)


def chirps_of(path):
    """Read ``rf.pkl`` as its users do: join payloads, cut 2048-byte frames, pair I and Q, drop every other sample."""
    with path.open("rb") as file:
        payloads, numbers, sent, begin, end = pickle.load(file)
    assert numbers == list(range(1, len(numbers) + 1))
    assert sent == [1456 * index for index in range(len(numbers))]
    assert begin.endswith("Z")
    assert begin < end
    words = np.concatenate(payloads).astype(np.int16)
    words = words[: len(words) // 1024 * 1024].reshape(-1, 256, 4).astype(np.float64)
    return words[:, :, 0] + 1j * words[:, :, 2]


def test_equipleth_has_the_files_of_the_original(equi):
    folder, takes = equi
    assert [take.id for take in takes] == ["v_1_1", "v_1_2"]
    for name in ("v_1_1", "v_1_2"):
        files = {*tree(folder / "rgb_files" / name)}
        assert files == {f"rgbd_rgb_{index}.png" for index in range(36)} | {"rgbd_ppg.npy"}
        assert {*tree(folder / "rf_files" / name[2:])} == {"rf.pkl", "vital_dict.npy"}
        assert Image.open(folder / "rgb_files" / name / "rgbd_rgb_0.png").size == (128, 128)


def test_equipleth_ppg_starts_twenty_five_samples_before_pictures_and_chirps(equi):
    folder, (take, _) = equi
    who = person(take)
    ppg = np.load(folder / "rgb_files" / take.id / "rgbd_ppg.npy")
    assert ppg.shape == (36,)
    box = equipleth.face_box(who)
    for index, (time_s, picture) in enumerate(who.frames()):
        if index in (25, 40, 60):
            shown = np.asarray(Image.open(folder / "rgb_files" / take.id / f"rgbd_rgb_{index - 25}.png"))
            assert np.array_equal(shown, equipleth.cropped(picture, box))
            assert time_s == pytest.approx(index / 30)
    contact = who.contact(rate_hz=125.0)
    assert ppg == pytest.approx(
        scaled(np.interp(np.arange(36) / 30, contact.times_s, contact.values), *equipleth.LIMITS)
    )
    held = np.load(folder / "rf_files" / "1_1" / "vital_dict.npy", allow_pickle=True).item()
    assert np.array_equal(held["rgbd"]["NOM_PLETHWaveExport"], ppg)
    chirps = chirps_of(folder / "rf_files" / "1_1" / "rf.pkl")
    raw = who.radar().raw()[100:]
    assert len(chirps) >= 4 * 36
    assert np.array_equal(chirps, (raw[..., 0] + 1j * raw[..., 1])[: len(chirps)])


def test_equipleth_crop_holds_the_face():
    (take, _) = plan(get_layout("equipleth"), people(1, "paired-radar", 7, SMALL | {"width": 320, "height": 240}))
    who = person(take)
    left, top, side = equipleth.face_box(who)
    time_s, picture = next(islice(who.frames(), 25, None))
    found = BlazeFace()(Frame.from_rgb(picture, time_s))[0]
    assert left < found.box.x < found.box.x + found.box.width < left + side
    assert top < found.box.y < found.box.y + found.box.height < top + side
    assert side < 1.6 * found.box.width


def test_equipleth_tells_skin_types(equi):
    folder, (take, _) = equi
    with (folder / "fitzpatrick_labels.pkl").open("rb") as file:
        labels = pickle.load(file)
    assert dict(labels) == {"v_1": person(take).skin.fitzpatrick}


@given(st.integers(1, 12), st.integers(1, 3))
def test_equipleth_folds_share_nobody(persons, trials):
    names = [(who, f"v_{who}_{trial}") for who in range(1, persons + 1) for trial in range(1, trials + 1)]
    split = equipleth.folds(names)
    assert len(split) == min(5, persons)
    tested = []
    for sides in split.values():
        assert sorted(name for side in sides.values() for name in side) == sorted(name for _, name in names)
        people_of = [{name.split("_")[1] for name in side} for side in sides.values()]
        assert sum(map(len, people_of)) == persons
        tested += sides["test"]
    assert sorted(tested) == sorted(name for _, name in names), "everybody is tested once"


def test_equipleth_has_even_frames_only():
    with pytest.raises(UsageError, match="30 frames"):
        plan(get_layout("equipleth"), people(1, "lab", 0, {"drop": 0.1}))


# --- what all layouts refuse --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ubfc", "pure", "equipleth"])
def test_public_layouts_cannot_say_that_nothing_beats(name):
    with pytest.raises(UsageError, match="has no pulse"):
        plan(get_layout(name), people(1, "no-pulse"))


@pytest.mark.parametrize("name", ["ubfc", "pure"])
def test_layouts_without_a_place_for_a_radar_say_so(name):
    with pytest.raises(UsageError, match="no place for a radar"):
        plan(get_layout(name), people(1, "lab"), radar=True)


def test_unknown_names_are_told():
    with pytest.raises(UsageError, match="no layout called 'cohface'"):
        get_layout("cohface")
    with pytest.raises(UsageError, match="no domain called 'moon'"):
        people(1, "moon")
    with pytest.raises(UsageError, match="subjects = 0"):
        people(0, "lab")
    with pytest.raises(UsageError, match="width = 3"):
        people(1, "lab", 0, {"width": 3})


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_explain_themselves(layout):
    assert layout.domain in DOMAINS
    assert "do not exist" in layout.readme
    assert layout.title


# --- rows of people -----------------------------------------------------------------------------------------------


def test_rows_of_people_share_nobody():
    rows = [people(50, domain, seed) for domain in DOMAINS for seed in (0, 1)]
    seeds = [member.seed for row in rows for member in row]
    assert len(set(seeds)) == len(seeds)
    assert people(50, "lab")[:10] == people(10, "lab"), "more people are the same people and some more"


WORDS = st.lists(st.integers(0, 30), max_size=3)


@given(WORDS, WORDS)
def test_seeds_of_different_words_differ(first, second):
    assert 0 <= seed_of("x", *first) < 2**62
    assert (seed_of("x", *first) == seed_of("x", *second)) == (first == second)


def test_canonical_settings_forgive_the_last_digits_and_nothing_else():
    one = settle(3, "lab")
    assert canonical(one) == canonical(replace(one, heart_rate=one.heart_rate * (1 + 1e-14)))
    assert canonical(one) != canonical(replace(one, heart_rate=one.heart_rate * (1 + 1e-7)))
    assert digest(one) != digest(replace(one, motion="walk"))


# --- interruptions, without pictures ------------------------------------------------------------------------------


def sketch_takes(member, number, radar):
    """Two parts each, one in a folder that recordings share."""
    parts = (member.id, f"notes/{member.id}.txt")
    return (Take(member.id, number, member.seed, member.domain, member.asked, parts),)


def sketch_write(take, who, root, watch):
    """Write a few bytes that depend on the person; stop as if by Ctrl-C where a file says so."""
    (root / take.id).mkdir()
    (root / "notes").mkdir()
    (root / take.id / "rate.txt").write_text(f"{who.truth.heart_rate}\n")
    stop = root.parent.parent / "stop"
    if stop.exists() and stop.read_text() == take.id:
        raise KeyboardInterrupt
    watch(who.duration_s)
    (root / take.parts[1]).write_text("a person\n")


def sketch_finish(root, takes):
    (root / "names.txt").write_text(" ".join(take.id for take in takes))


SKETCH = Layout(
    name="sketch",
    title="no pictures",
    domain="lab",
    usual={},
    needs_pulse=False,
    has_radar=True,
    readme="They do not exist.\n",
    takes=sketch_takes,
    write=sketch_write,
    finish=sketch_finish,
    files=r"[^/]+/rate\.txt|notes/[^/]+\.txt",
)


def sketched(folder, count=4, seed=0, jobs=1, progress=None):
    takes = plan(SKETCH, people(count, "lab", seed, {"duration_s": 1.5}))
    return make(folder, SKETCH, takes, {"domain": "lab", "seed": seed}, jobs=jobs, progress=progress)


@pytest.fixture
def whole(tmp_path):
    """What four sketches look like if nothing comes between."""
    sketched(tmp_path / "whole")
    return tree(tmp_path / "whole")


@pytest.mark.parametrize("at", ["lab-0000", "lab-0002", "lab-0003"])
def test_an_interrupted_run_goes_on(tmp_path, whole, at):
    (tmp_path / "stop").write_text(at)
    folder = tmp_path / "people"
    with pytest.raises(KeyboardInterrupt):
        sketched(folder)
    assert not list(folder.glob(".*")), "half a recording is dropped"
    assert not (folder / at).exists()
    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest["sha256"] is None
    made = [row["id"] for row in manifest["recordings"] if row["sha256"]]
    assert made == sorted(path.name for path in folder.glob("lab-*"))
    (tmp_path / "stop").unlink()
    done = sketched(folder)
    assert (done.made, done.kept) == (4 - len(made), len(made))
    assert tree(folder) == whole


def test_nothing_is_made_twice(tmp_path):
    sketched(tmp_path / "people")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("rate.txt")}
    assert sketched(tmp_path / "people").made == 0
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("rate.txt")}


@pytest.mark.parametrize("name", ["lab-0001/rate.txt", "notes/lab-0001.txt", "lab-0001", "cut", "hole", "hidden"])
def test_whatever_is_missing_is_made_again(tmp_path, whole, name):
    folder = tmp_path / "people"
    sketched(folder)
    if name == "cut":
        (folder / "lab-0001" / "rate.txt").write_text("7")
    elif name == "hole":  # as long as it was, and empty inside
        file = folder / "lab-0001" / "rate.txt"
        file.write_bytes(bytes(len(file.read_bytes())))
    elif name == "hidden":  # killed between the manifest and the move
        (folder / "lab-0001").rename(folder / f"{HIDDEN}lab-0001")
    elif (folder / name).is_dir():
        shutil.rmtree(folder / name)
    else:
        (folder / name).unlink()
    assert sketched(folder).made == 1
    assert tree(folder) == whole


@pytest.mark.parametrize("name", ["note.txt", ".DS_Store", "old/rate.txt", "link"])
def test_files_of_others_are_kept(tmp_path, name):
    folder = tmp_path / "people"
    sketched(folder)
    stranger = folder / "lab-0001" / name
    stranger.parent.mkdir(exist_ok=True)
    if name == "link":
        stranger.symlink_to(tmp_path / "nowhere")
    else:
        stranger.write_text("years of work")
    assert sketched(folder, count=5).made == 1, "nothing is made again because of them"
    (folder / "lab-0001" / "rate.txt").unlink()
    before = tree(folder)
    with pytest.raises(OutputError, match=r"lab-0001 has to be made, but .*" + re.escape(name)):
        sketched(folder, count=5)
    assert tree(folder) == before
    assert stranger.is_symlink() or stranger.read_text() == "years of work"
    stranger.unlink()
    assert sketched(folder, count=5).made == 1


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_know_their_own_files(tmp_path, name):
    for take in built(tmp_path, name, duration_s=1.0, radar=name == "perfuse"):
        assert strangers(tmp_path, take.parts, LAYOUTS[name].files) == []


def test_people_can_be_added_but_not_taken_away(tmp_path, whole):
    folder = tmp_path / "people"
    sketched(folder, count=2)
    done = sketched(folder, count=4)
    assert (done.made, done.kept) == (2, 2)
    assert tree(folder) == whole
    with pytest.raises(OutputError, match="4 recordings; 3 were asked for"):
        sketched(folder, count=3)
    assert tree(folder) == whole


def test_several_processes_make_the_same_folder(tmp_path, whole):
    told = []
    sketched(tmp_path / "people", jobs=2, progress=lambda done, total: told.append((done, total)))
    assert tree(tmp_path / "people") == whole
    assert told[0] == (0.0, 6.0)
    assert told[-1] == (6.0, 6.0)


def test_an_error_in_a_process_is_told_and_what_is_whole_is_kept(tmp_path, whole):
    folder = tmp_path / "people"
    sketched(folder, count=1)
    (folder / f"{HIDDEN}lab-0002").write_text("in the way")
    broken = replace(SKETCH, write=fail_to_write)
    takes = plan(broken, people(4, "lab", 0, {"duration_s": 1.5}))
    with pytest.raises(OutputError, match="cannot be written"):
        make(folder, broken, takes, {"domain": "lab", "seed": 0}, jobs=2)
    assert (folder / "lab-0000").exists()
    assert not [path for path in folder.glob(".part-*") if path.is_dir()]


def fail_to_write(take, who, root, watch):
    raise OSError(28, "No space left on device")


def test_too_little_memory_is_told(tmp_path):
    broken = replace(SKETCH, write=write_too_much)
    takes = plan(broken, people(1, "lab", 0, {"width": 4000}))
    with pytest.raises(OutputError, match=r"4000 x \d+ pixels need more memory"):
        make(tmp_path / "people", broken, takes, {})
    assert not list((tmp_path / "people").glob(".*"))


def write_too_much(take, who, root, watch):
    raise MemoryError


def test_progress_counts_seconds_of_recordings(tmp_path):
    told = []
    sketched(tmp_path / "people", count=2, progress=lambda done, total: told.append((done, total)))
    done = [at for at, _ in told]
    assert done == sorted(done)
    assert told[-1] == (3.0, 3.0)


# --- folders that are refused -------------------------------------------------------------------------------------


def test_a_folder_of_other_people_is_refused(tmp_path):
    sketched(tmp_path / "people", count=1)
    before = tree(tmp_path / "people")
    with pytest.raises(OutputError, match="made with seed 0; 1 was asked for"):
        sketched(tmp_path / "people", count=1, seed=1)
    takes = plan(SKETCH, people(1, "lab", 0, {"duration_s": 2.0}))
    with pytest.raises(OutputError, match="other settings"):
        make(tmp_path / "people", SKETCH, takes, {"domain": "lab", "seed": 0})
    with pytest.raises(OutputError, match="layout sketch; other was asked"):
        make(tmp_path / "people", replace(SKETCH, name="other"), takes, {"domain": "lab", "seed": 0})
    assert tree(tmp_path / "people") == before


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"holds other files \(thesis.tex\)"):
        sketched(tmp_path)
    assert tree(tmp_path) == {"thesis.tex": b"years of work"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"recordings": [1]}', "\x00"])
def test_a_manifest_that_is_none_is_refused(tmp_path, text):
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(OutputError, match="cannot be read as our manifest"):
        sketched(tmp_path)


def test_settings_out_of_range_are_told_before_there_is_a_folder(tmp_path):
    takes = plan(get_layout("equipleth"), people(1, "lab", 0, {"duration_s": 3600}))
    with pytest.raises(UsageError, match="duration_s"):
        make(tmp_path / "people", get_layout("equipleth"), takes, {})
    assert not (tmp_path / "people").exists()


def test_a_file_in_the_way_is_told(tmp_path):
    (tmp_path / "file").write_text("here")
    for place in (tmp_path / "file", tmp_path / "file" / "people", tmp_path / ("x" * 300)):
        with pytest.raises(OutputError):
            sketched(place)


@pytest.mark.skipif(sys.platform == "win32", reason="has no such locks")
def test_two_runs_do_not_share_a_folder(tmp_path):
    import fcntl

    sketched(tmp_path / "people", count=1)
    handle = os.open(tmp_path / "people", os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match="Another run"):
            sketched(tmp_path / "people", count=2)
    finally:
        os.close(handle)
    assert sketched(tmp_path / "people", count=2).made == 1


@pytest.mark.parametrize("jobs", [0, 1.5, 1000])
def test_bad_numbers_of_processes_are_told(tmp_path, jobs):
    with pytest.raises(UsageError, match="jobs"):
        sketched(tmp_path / "people", jobs=jobs)


def test_recordings_of_one_name_are_refused(tmp_path):
    takes = plan(SKETCH, people(1, "lab")) * 2
    with pytest.raises(UsageError, match="same name"):
        make(tmp_path / "people", SKETCH, takes, {})


# --- the real thing -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_run_goes_on_and_gives_the_same_bytes(tmp_path, jobs):
    size = ["--subjects", "3", "--seconds", "2", "--size", "80x64", "--quiet", "--radar"]
    command = [sys.executable, "-m", "perfuse", "synth"]
    subprocess.run([*command, str(tmp_path / "whole"), *size], check=True)
    broken = tmp_path / "broken"
    with subprocess.Popen([*command, str(broken), *size, "--jobs", str(jobs)]) as process:
        for _ in range(600):
            if list(broken.glob("lab-*")):
                break
            time.sleep(0.05)
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
    time.sleep(2.0)  # orphans notice and end
    assert len(list(broken.glob("lab-*"))) < 3, "it was too quick to be killed"
    subprocess.run([*command, str(broken), *size], check=True)
    assert tree(broken) == tree(tmp_path / "whole")
