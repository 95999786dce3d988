"""Fixtures of the readers' tests: scenes written once, and copies of them to change."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from reader_scenes import SCENES


@pytest.fixture(scope="session", name="scenes")
def written(tmp_path_factory):
    """Every data set, written once: name to folder and what is in it."""
    made = {}

    def scene(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            made[name] = folder, SCENES[name](folder)
        return made[name]

    return scene


@pytest.fixture(name="linked")
def linked_copy(scenes, tmp_path):
    """A copy to damage: what is in its files is shared, so unlink them before they are written."""

    def copy(name):
        root, scene = scenes(name)
        return Path(shutil.copytree(root, tmp_path / "copy", copy_function=os.link)), scene

    return copy


@pytest.fixture(name="copy")
def whole_copy(scenes, tmp_path):
    """A copy to change."""
    return lambda name: Path(shutil.copytree(scenes(name)[0], tmp_path / "copy"))
