r"""Anyone's own folder, described by a ``perfuse.yaml`` in it.

A whole example::

    videos: "{subject}/{session}_{task}.mp4"     # or "{subject}/{task}/*.png", or tables of colours: "*.csv"
    rate_hz: 30            # of pictures, and of tables and raw streams without times; others keep their own times
    times:                 # times of frames, where the videos' own are wrong
      file: "{subject}/{session}_frames.csv"
      column: timestamp    # a name, or a number from 0 on (-1: the last); left out where there is one column
      unit: ms             # s, ms, us, ns, min
      offset_s: 0.0        # is added
      zero: first          # first: the first frame is at 0; file (usual): as written
    cropped: false         # true: pictures are faces cut out
    references:            # names of SIGNALS: pulse, ecg, beats, heart_rate, respiration, respiratory_rate, spo2, ...
      pulse:
        file: "{subject}/{session}_ppg.csv"      # csv, tsv, txt, npy, h5, hdf5, mat; wildcards if one file fits
        column: ppg        # of HDF5: path; of MATLAB: variable; NAME:1 is column 1 of a matrix
        scale: -1          # values are multiplied; unit: is understood, too (ecg: mV, uV, V; spo2: %, 1; ...)
        missing: [-1, 0]   # numbers that mean none
        clock:             # when rows were measured: one of column, rate_hz, per
          column: t
          unit: ms
          offset_s: 0.5    # is added; offset_column: a column whose first number is added as well
          zero: frames     # frames: 0 is the first of times; first: 0 is the first row; file (usual): as written
          # file: another file that holds the times
      heart_rate: {file: "{subject}/{session}_hr.txt", clock: {rate_hz: 1}}
      spo2: {file: "{subject}/{session}_spo2.npy", clock: {per: frame}}      # row i at frame i
      respiration: {file: "{subject}/{session}.h5", column: belt, clock: {per: video}}   # spread over the video
      beats: {file: "{subject}/{session}_rr.txt", unit: ms}    # intervals; or clock: {column: t} for their times
    about:                 # names of ABOUT; one value for all, or one per subject
      light: daylight
      task: "{task}"
      skin_tone: {anna: 2, ben: 5}
    exclusions:            # values there become NaN
      - {subject: anna, session: s1, from_s: 10, to_s: 20}
      - {file: "{subject}/{session}_excluded.csv"}   # columns from_s, to_s; optional: true if it need not be there

``{subject}`` says who it is; without it every recording is a subject of its own. ``{session}``, ``{task}`` and other
names of ABOUT are told as such; any other small letters may be used, too. ``*``, ``?`` and ``**/`` are wildcards.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from perfuse.data.described.find import find_described
from perfuse.data.reader import Reader
from perfuse.data.recording import SIGNALS, Problem, Recording

FILE = "perfuse.yaml"


def recognise(root: Path) -> bool:
    """Tell by ``perfuse.yaml``."""
    try:
        return (root / FILE).is_file()
    except OSError:
        return False


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield a recording per file that the description matches; a wrong description is the one problem."""
    yield from find_described(READER.name, root, root / FILE)


READER = Reader(
    name="folder",
    title="A folder of your own",
    paper="none: described by its owner in perfuse.yaml",
    access="yours",
    layout='perfuse.yaml, for example:\n  videos: "{subject}/{session}.mp4"\n  references:\n'
    '    pulse: {file: "{subject}/{session}.csv", column: ppg, clock: {column: t}}',
    signals=tuple(SIGNALS),
    verified="tried on the real sample_1 of vitallens-python, and on folders we made",
    recognise=recognise,
    find=find,
    notes=(
        "Errors in the description name the key and the line.",
        "Clocks are as described: nothing is aligned behind your back. Check the lag.",
    ),
)
