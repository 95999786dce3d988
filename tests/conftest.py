"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# no test has an opinion on how busy the machine is
settings.register_profile("calm", deadline=None)
settings.load_profile("calm")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real recordings, or skip."""
    folder = Path(os.environ.get("PERFUSE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("real recordings are not on this machine; set PERFUSE_DATA to their folder")
    return folder


@pytest.fixture(scope="module")
def one_thread():
    """Let torch add in one order, whatever else the machine does; in what is made for the module, too."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
