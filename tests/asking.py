"""Ask perfuse as its users do, and hold every answer to the promises that need no knowledge of the recording."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from perfuse.cli import main
from perfuse.report.json import SCHEMA_PATH

ERRORS = Path(__file__).resolve().parent.parent / "docs" / "errors.md"


@dataclass(frozen=True)
class Answer:
    """What a run of the command line gave."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        """Standard output as JSON Lines, each checked."""
        return [checked(line) for line in self.out.splitlines()]

    @property
    def record(self) -> dict[str, Any]:
        """The only one."""
        (record,) = self.records
        return record


def ask(capfd, *words: object) -> Answer:
    """Run a command in this process."""
    capfd.readouterr()
    code = main([str(word) for word in words])
    return judged(code, *capfd.readouterr())


def judged(code: int, out: str, err: str) -> Answer:
    """Check what holds for every run: a documented exit code, never a traceback."""
    assert code in documented_codes()
    assert "Traceback" not in out + err
    assert "should not happen" not in err
    return Answer(code, out, err)


@cache
def documented_codes() -> frozenset[int]:
    return frozenset(int(code) for code in re.findall(r"^\| (\d+) \|", ERRORS.read_text(), re.MULTILINE))


@cache
def _validator() -> Any:
    schema = json.loads(SCHEMA_PATH.read_text())
    return jsonschema.validators.validator_for(schema)(schema)


def checked(line: str) -> dict[str, Any]:
    """Parse one record; it follows the schema, has no NaN, and every null vital stands beside a reason."""
    record = json.loads(line, parse_constant=_no_number)
    _validator().validate(record)
    for face in record["faces"]:
        for vital in all_vitals(face):
            if vital["value"] is None:
                assert vital["reason"].strip()
                assert (vital["low"], vital["high"], vital["quality"]) == (None, None, 0)
            else:
                assert vital["reason"] is None
                assert vital["low"] <= vital["value"] <= vital["high"]
    return record


def _no_number(word: str) -> float:
    raise AssertionError(f"{word} is no JSON")


def all_vitals(face: dict[str, Any]) -> list[dict[str, Any]]:
    vitals, series = face["vitals"], face["series"]
    rates = [vitals["heart_rate"], vitals["respiratory_rate"], *vitals["hrv"].values()]
    return [*rates, *series["heart_rate"], *series["respiratory_rate"]]


def heart_rates(record: dict[str, Any]) -> list[dict[str, Any]]:
    return [face["vitals"]["heart_rate"] for face in record["faces"]]


def right(vital: dict[str, Any], truth: float) -> bool:
    """Tell whether there is a value whose interval holds the truth."""
    return vital["value"] is not None and vital["low"] <= truth <= vital["high"]


def error_about(err: str, name: str) -> str:
    """Check that an error names the file and says on a second line what to do; return it."""
    problem, remedy = err.rstrip("\n").split("\n")
    assert problem.startswith("perfuse: ")
    assert name in problem
    assert re.match(r"  \w.{10,}", remedy)
    return err
