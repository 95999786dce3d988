"""One ONNX network on the CPU, run so that the same input gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import MissingExtraError, SourceError, UsageError


class Backend(Protocol):
    """Anything that runs a network."""

    def run(self, arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        """Return every output of the network by name."""
        ...


class Model:
    """An ONNX network in onnxruntime on one thread.

    One thread because the order of additions, and with it the last bits, must not depend on how many cores are free;
    users who have many cores run many recordings at once.

    Parameters
    ----------
    source : str, Path or bytes
        ONNX file, or its content.

    Attributes
    ----------
    inputs, outputs : dict of str to tuple
        Shapes as the network declares them; a text or None stands for a free dimension.
    metadata : dict of str to str
        What the file says about itself.

    Raises
    ------
    SourceError
        If the file is missing or is not a network that onnxruntime can load.
    MissingExtraError
        If onnxruntime cannot be imported.
    """

    def __init__(self, source: str | Path | bytes) -> None:
        name = "the given bytes" if isinstance(source, bytes) else str(source)
        content = source if isinstance(source, bytes) else _read(Path(source))
        self._name = name
        self._session = _session(content, name)
        self.inputs = {i.name: tuple(i.shape) for i in self._session.get_inputs()}
        self.outputs = {o.name: tuple(o.shape) for o in self._session.get_outputs()}
        self.metadata = dict(self._session.get_modelmeta().custom_metadata_map)

    def run(self, arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        """Return every output by name.

        Raises
        ------
        UsageError
            If names, shapes or types of the arrays are not what the network takes.
        """
        if set(arrays) != set(self.inputs):
            raise UsageError(
                f"The network {self._name} was given {sorted(arrays)}.", f"It takes exactly {sorted(self.inputs)}."
            )
        try:
            results = self._session.run(list(self.outputs), dict(arrays))
        # onnxruntime's exceptions share no public base; all of them mean that these arrays do not fit.
        except Exception as error:
            given = {key: (value.shape, str(value.dtype)) for key, value in arrays.items()}
            raise UsageError(
                f"The network {self._name} cannot run on {given}.", f"It takes {self.inputs}. ({_first_line(error)})"
            ) from error
        return dict(zip(self.outputs, results))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(
            f"The network file {path} cannot be read ({error.strerror}).", "Pass the path of an ONNX file."
        ) from error


def _session(content: bytes, name: str) -> Any:
    try:
        # Here and not above: loading the library costs more than many a command needs.
        import onnxruntime
    except ImportError as error:
        if isinstance(error.__cause__, KeyboardInterrupt):  # Ctrl-C while it was loading its library
            raise error.__cause__ from None
        raise MissingExtraError(
            f"onnxruntime cannot be imported ({error}).", "Install it with: pip install onnxruntime"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise SourceError(
            f"{name} is not an ONNX network that onnxruntime {onnxruntime.__version__} can load.",
            f"Pass a file exported to ONNX. ({_first_line(error)})",
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
