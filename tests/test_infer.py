"""Networks as functions: what goes in, what comes out, and what is said about files that are none."""

from __future__ import annotations

import builtins
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from perfuse.core.errors import MissingExtraError, SourceError, UsageError
from perfuse.infer import Backend, Model

FILE = Path(str(files("perfuse.face").joinpath("blazeface.onnx")))
IMAGE = np.zeros((1, 3, 128, 128), np.float32)


def test_a_network_runs_from_path_text_and_bytes() -> None:
    results = [Model(source).run({"image": IMAGE}) for source in (FILE, str(FILE), FILE.read_bytes())]
    for result in results:
        assert {name: array.shape for name, array in result.items()} == {"boxes": (1, 896, 16), "scores": (1, 896, 1)}
        assert result["boxes"].tobytes() == results[0]["boxes"].tobytes()


def test_it_says_what_it_takes() -> None:
    model: Backend = Model(FILE)
    assert isinstance(model, Model)
    assert model.inputs == {"image": ("batch", 3, 128, 128)}
    assert set(model.outputs) == {"boxes", "scores"}
    assert model.metadata["licence"].startswith("Apache-2.0")


def test_the_rest_of_the_batch_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (3, 3, 128, 128)).astype(np.float32)
    model = Model(FILE)
    together = model.run({"image": images})["boxes"]
    alone = np.concatenate([model.run({"image": image[None]})["boxes"] for image in images])
    np.testing.assert_allclose(together, alone, atol=1e-4)


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x08\x07" + b"\xff" * 40])
def test_what_is_no_network_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"model\.onnx is not an ONNX network"):
        Model(path)
    with pytest.raises(SourceError, match="given bytes"):
        Model(content)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"absent\.onnx cannot be read"):
        Model(tmp_path / "absent.onnx")
    with pytest.raises(SourceError, match="cannot be read"):
        Model(tmp_path)


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"picture": IMAGE},
        {"image": IMAGE, "more": IMAGE},
        {"image": IMAGE[:, :, :64]},
        {"image": IMAGE.astype(np.float64)},
        {"image": IMAGE[0]},
    ],
)
def test_arrays_that_do_not_fit_are_refused(arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(UsageError, match="takes"):
        Model(FILE).run(arrays)


def test_without_onnxruntime_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: object, **kwargs: object) -> object:
        if name == "onnxruntime":
            raise ImportError("No module named 'onnxruntime'")
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match="pip install onnxruntime"):
        Model(FILE)


def test_ctrl_c_while_onnxruntime_loads_is_no_missing_part(monkeypatch):
    real = builtins.__import__

    def interrupted(name, *args, **kwargs):
        if name == "onnxruntime":  # what its library makes of it
            raise ImportError("initialization failed") from KeyboardInterrupt()
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Model(b"")
