"""What perfuse promises on the real finger recordings, through the door a user takes."""

import csv

import numpy as np
import pytest

from perfuse.pipeline import measure


def test_every_welltory_recording_is_right_or_flagged(shared_data):
    errors = []
    for folder in sorted((shared_data / "finger" / "welltory" / "data").iterdir()):
        truth = 60_000 / np.mean([float(x) for x in (folder / "RR.txt").read_text().split()])
        answer = measure(folder / "PPG.csv")
        assert answer.method == "contact"
        rate = answer.heart_rate
        assert rate.value is None or rate.quality < 0.5 or abs(rate.value - truth) <= 6
        if rate.value is not None:
            errors.append(abs(rate.value - truth))
    assert len(errors) >= 18
    assert np.mean(errors) <= 3


@pytest.mark.parametrize("subject", ["100001", "100002", "100003"])
def test_oximetry_windows_agree_with_the_ecg(shared_data, subject):
    folder = shared_data / "finger" / "oximetry"
    rgb = np.genfromtxt(folder / "left" / f"{subject}.csv", delimiter=",", skip_header=1)
    with (folder / "gt" / f"{subject}.csv").open(encoding="utf-8-sig") as file:
        lines = list(csv.reader(file))[1:]
    # cells of text that the header does not count: the ECG's rate is the ninth from the end
    ecg = np.array([float(line[-9]) if len(line) > 40 and line[-9].strip() else np.nan for line in lines])
    errors = []
    for start in range(0, min(len(ecg), len(rgb) // 30) - 31, 60):
        truth = ecg[start : start + 30]
        truth = truth[truth > 30]
        rate = measure(rgb[30 * start : 30 * start + 900], rate_hz=30.0).heart_rate
        if rate.value is not None and rate.quality > 0.5 and len(truth) >= 15:
            errors.append(abs(rate.value - truth.mean()))
    assert len(errors) >= 10
    assert np.mean(errors) <= 3
