"""The house rules that a machine can check: size, surface, layers, what start-up may cost, docs that keep up."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import perfuse
from conftest import ROOT

SOURCE = ROOT / "src" / "perfuse"
MODULES = sorted(SOURCE.rglob("*.py"))
LONGEST = 350
TEACHING = ("nn", "learn", "papers", "export")
"""Rooms that may import torch; ``lint-imports`` keeps the others from importing them."""


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def imports_of(path: Path) -> set[str]:
    """Return every module a file imports, wherever the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def modules_after(code: str, *flags: str) -> set[str]:
    """Return the names of all modules loaded by a fresh interpreter that ran ``code``."""
    done = subprocess.run(
        [sys.executable, *flags, "-c", f"{code}\nimport sys\nprint('\\n=' + ' '.join(sys.modules))"],
        capture_output=True, text=True, timeout=120, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return set(done.stdout.rpartition("=")[2].split())


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_are_short_and_say_what_they_are(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < LONGEST
    assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_imports_what_is_forbidden(path):
    forbidden = ("torch", "lightning", "lightning_fabric", "matplotlib.pyplot", "cv2", "mediapipe", "pandas")
    if path.relative_to(SOURCE).parts[0] in TEACHING:
        forbidden = forbidden[3:]
    found = imports_of(path)
    assert not {name for name in found for bad in forbidden if name == bad or name.startswith(f"{bad}.")}


def test_layers_name_every_room():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    rooms = {f"perfuse.{folder.parent.name}" for folder in SOURCE.glob("*/__init__.py")}
    assert set(layers) == rooms


def test_public_surface_is_small_and_complete():
    assert len(perfuse.__all__) <= 12
    assert set(perfuse.__all__) <= set(dir(perfuse))
    for name in perfuse.__all__:
        assert getattr(perfuse, name) is not None
    for name in perfuse.__all__:
        if not name.startswith("_"):
            assert getattr(perfuse, name).__doc__, name


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="has no attribute 'mesure'"):
        perfuse.mesure  # noqa: B018


def test_importing_perfuse_imports_nothing_else():
    new = modules_after("import perfuse") - modules_after("pass")
    assert {name for name in new if name.partition(".")[0] not in sys.stdlib_module_names} == {"perfuse"}


def test_help_imports_neither_numpy_nor_the_rooms():
    loaded = modules_after("from perfuse.cli import main\nmain(['--help'])")
    assert not {"numpy", "scipy", "av", "onnxruntime", "matplotlib", "jinja2"} & loaded
    assert {name for name in loaded if name.startswith("perfuse")} == {"perfuse", "perfuse.cli", "perfuse.core", "perfuse.core.errors"}  # fmt: skip  # noqa: E501


HEAVY = {
    "torch",
    "matplotlib",
    "jinja2",
    "scipy",
    "scipy.signal",
    "sklearn",
    "pandas",
    "PIL.ImageShow",
    "rich",
    "cyclopts",
}

MEASURE_FRAMES = """
import numpy as np, perfuse
rng = np.random.default_rng(0)
frames = rng.integers(90, 110, (40, 48, 64, 3), dtype=np.uint8)
answer = perfuse.measure(frames, rate_hz=20)
assert answer.heart_rate.value is None and answer.heart_rate.reason
perfuse.to_json(answer)
"""

MEASURE_TRACE = """
import numpy as np, perfuse
t = np.arange(600) / 30
p = np.sin(2 * np.pi * 1.2 * t)[:, None] * np.array([0.3, 0.8, 0.5])
answer = perfuse.measure(np.array([180.0, 130.0, 110.0]) - p, times_s=t)
assert abs(answer.heart_rate.value - 72) < 1, answer.heart_rate
perfuse.to_json(answer)
"""


@pytest.mark.parametrize("code", [MEASURE_FRAMES, MEASURE_TRACE], ids=["frames", "trace"])
def test_measuring_imports_nothing_heavy(code):
    assert not HEAVY & modules_after(code)


def test_every_error_has_an_exit_code_of_its_own():
    from perfuse.cli import INTERRUPTED, PIPE_CLOSED, UNEXPECTED
    from perfuse.core.errors import PerfuseError

    codes = [kind.exit_code for kind in PerfuseError.__subclasses__()] + [UNEXPECTED, INTERRUPTED, PIPE_CLOSED]
    assert len(set(codes)) == len(codes)
    assert not {0, 1} & set(codes)
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    for code in codes:
        assert f"\n| {code} |" in page


def generator():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["README.md", "docs/methods.md", "docs/vitals.md", "docs/errors.md"])
def test_generated_pages_are_up_to_date(page):
    made = generator()
    assert set(made.PARTS) >= {page}
    assert made.renewed(page) == (ROOT / page).read_text(encoding="utf-8"), "run: python docs/generate.py"


def test_constraints_pin_every_direct_dependency():
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    lines = (ROOT / "constraints" / "ci.txt").read_text().splitlines()
    pins = {
        line.partition("==")[0].lower().replace("_", "-"): line.partition("==")[2] for line in lines if "==" in line
    }
    for requirement in map(Requirement, wanted):
        if requirement.name != "perfuse":
            assert pins[requirement.name.lower()] in requirement.specifier, requirement
