"""Convert the BlazeFace short-range face detector from TensorFlow Lite to the ONNX file that perfuse ships.

Run ``python tools/blazeface_to_onnx.py WHEEL_OR_TFLITE src/perfuse/face/blazeface.onnx``, where the first argument is
the mediapipe 0.10.21 wheel (any platform) or the ``face_detection_short_range.tflite`` inside it. The same source
gives the same bytes. Weights: Google, Apache-2.0; paper: Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face
Detection on Mobile GPUs", CVPR workshop on computer vision for AR/VR, 2019.

Only numpy and ``flatbuffers`` are needed (the latter comes with onnxruntime): the network has 165 operators of eight
kinds, so both formats are handled by field number, after the two public schemas (``schema.fbs``, ``onnx.proto``).

What changes on the way: channels move first, the input takes 0..255 (the scaling to -1..1 goes into the graph), the
batch size becomes free, and weights stay float16 as in the source (cast once, when a session is made).
"""

from __future__ import annotations

import argparse
import hashlib
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from flatbuffers import encode, number_types, packer
from flatbuffers.table import Table
from numpy.typing import NDArray

MEMBER = "mediapipe/modules/face_detection/face_detection_short_range.tflite"
SHA256 = "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8"

# TensorFlow Lite builtin operator codes (schema.fbs, enum BuiltinOperator).
ADD, CONCATENATION, CONV, DEPTHWISE, DEQUANTIZE, MAX_POOL, RELU, RESHAPE, PAD = 0, 2, 3, 4, 6, 17, 19, 22, 34
TFLITE_TYPES = {0: np.float32, 1: np.float16, 2: np.int32}
ONNX_TYPES = {np.dtype(np.float32): 1, np.dtype(np.int64): 7, np.dtype(np.float16): 10}
OPSET, IR_VERSION = 13, 7

Tensor = tuple[NDArray[np.generic], "NDArray[np.generic] | None"]


# ---- reading flatbuffers -------------------------------------------------------------------------------------------


class Node:
    """One flatbuffer table, read by field number."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def _at(self, field: int) -> int:
        return int(self._table.Offset(4 + 2 * field))

    def integer(self, field: int, flags: type = number_types.Int8Flags, default: int = 0) -> int:
        """Scalar field."""
        offset = self._at(field)
        return int(self._table.Get(flags, self._table.Pos + offset)) if offset else default

    def array(self, field: int, dtype: type) -> NDArray[np.generic]:
        """Vector of numbers."""
        offset = self._at(field)
        if not offset:
            return np.zeros(0, dtype)
        return np.frombuffer(self._table.Bytes, dtype, self._table.VectorLen(offset), self._table.Vector(offset))

    def children(self, field: int) -> list[Node]:
        """Vector of tables."""
        offset = self._at(field)
        if not offset:
            return []
        start = self._table.Vector(offset)
        places = [self._table.Indirect(start + 4 * k) for k in range(self._table.VectorLen(offset))]
        return [Node(Table(self._table.Bytes, place)) for place in places]

    def child(self, field: int) -> Node:
        """Table field (an operator's options)."""
        return Node(Table(self._table.Bytes, self._table.Indirect(self._table.Pos + self._at(field))))


def read_source(path: Path) -> bytes:
    """Return the .tflite bytes from the wheel or the file itself, or stop if they are not the ones expected."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            data = archive.read(MEMBER)
    else:
        data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        raise SystemExit(
            f"{path}: sha256 {found}, expected {SHA256} (face_detection_short_range of mediapipe 0.10.21)"
        )
    return data


# ---- writing protobuf ----------------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    """Base-128 integer; negative numbers as 64-bit two's complement."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | str | bytes | Sequence[int | str | bytes]) -> bytes:
    """One protobuf field: integers as varints, text and nested messages with their length, lists repeated."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return b"".join(field(number, item) for item in value)


def tensor(name: str, values: NDArray[np.generic]) -> bytes:
    """TensorProto."""
    values = np.ascontiguousarray(values)
    little = values.astype(values.dtype.newbyteorder("<")).tobytes()
    return field(1, values.shape) + field(2, ONNX_TYPES[values.dtype]) + field(8, name) + field(9, little)


def attribute(name: str, value: int | Sequence[int]) -> bytes:
    """AttributeProto of type INT or INTS."""
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, 2)
    return field(1, name) + field(8, value) + field(20, 7)


def value_info(name: str, shape: Sequence[int | str]) -> bytes:
    """ValueInfoProto of a float32 tensor; a text dimension is free."""
    dims = b"".join(field(1, field(2, d) if isinstance(d, str) else field(1, d)) for d in shape)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, dims)))


# ---- the conversion ------------------------------------------------------------------------------------------------


class Converter:
    """Collects ONNX nodes and constants while walking the operators of the source in order."""

    def __init__(self, data: bytes) -> None:
        model = Node(Table(data, encode.Get(packer.uoffset, data, 0)))
        graph = model.children(2)[0]
        buffers = model.children(4)
        self.codes = [max(c.integer(0), c.integer(3, number_types.Int32Flags)) for c in model.children(1)]
        self.operators = graph.children(3)
        self.inputs, self.outputs = graph.array(1, np.int32), graph.array(2, np.int32)
        self.tensors: list[Tensor] = []
        for item in graph.children(0):
            shape = item.array(0, np.int32)
            raw = buffers[item.integer(2, number_types.Uint32Flags)].array(0, np.uint8)
            dtype = TFLITE_TYPES[item.integer(1)]
            self.tensors.append((shape, raw.view(dtype).reshape(shape) if raw.size else None))
        self.halves: dict[int, NDArray[np.generic]] = {}
        self.nodes: list[bytes] = []
        self.constants: list[bytes] = []

    def add(self, kind: str, inputs: list[str], output: str, **attributes: int | Sequence[int]) -> str:
        """Append one ONNX node and return its output's name."""
        listed = [field(5, attribute(k, v)) for k, v in sorted(attributes.items())]
        message = field(1, inputs) + field(2, output) + field(3, output) + field(4, kind) + b"".join(listed)
        self.nodes.append(message)
        return output

    def constant(self, name: str, values: NDArray[np.generic]) -> str:
        """Append one constant; float16 gets its cast to float32, which the session folds away."""
        self.constants.append(tensor(name, values))
        return self.add("Cast", [name], f"{name}_f32", to=1) if values.dtype == np.float16 else name

    def convert(self) -> bytes:
        """Return the ONNX model."""
        scale = self.constant("scale", np.array(1 / 127.5, np.float32))
        one = self.constant("one", np.array(1.0, np.float32))
        first = self.add("Mul", ["image", scale], "image_scaled")
        self.add("Sub", [first, one], f"t{self.inputs[0]}")
        for operator in self.operators:
            self._operator(operator)
        for name, index in zip(("boxes", "scores"), self.outputs):
            self.add("Identity", [f"t{index}"], name)
        graph = field(1, self.nodes) + field(2, "blazeface_short_range") + field(5, self.constants)
        graph += field(11, value_info("image", ("batch", 3, 128, 128)))
        graph += field(12, [value_info("boxes", ("batch", 896, 16)), value_info("scores", ("batch", 896, 1))])
        notes = {"source": f"mediapipe 0.10.21, {MEMBER}", "source_sha256": SHA256, "licence": "Apache-2.0 (Google)"}
        meta = [field(1, k) + field(2, v) for k, v in notes.items()]
        head = field(1, IR_VERSION) + field(2, "perfuse tools/blazeface_to_onnx.py")
        return head + field(7, graph) + field(8, field(2, OPSET)) + field(14, meta)

    def _operator(self, operator: Node) -> None:
        code = self.codes[operator.integer(0, number_types.Uint32Flags)]
        inputs = [int(i) for i in operator.array(1, np.int32)]
        output = int(operator.array(2, np.int32)[0])
        names, out = [f"t{i}" for i in inputs], f"t{output}"
        handlers: dict[int, Callable[[], object]] = {
            DEQUANTIZE: lambda: self.halves.__setitem__(output, self._value(inputs[0])),
            RELU: lambda: self.add("Relu", names, out),
            ADD: lambda: self._plain(operator, 0) and self.add("Add", names, out),
            CONV: lambda: self._convolution(operator, inputs, output, depthwise=False),
            DEPTHWISE: lambda: self._convolution(operator, inputs, output, depthwise=True),
            MAX_POOL: lambda: self._pool(operator, names, out),
            PAD: lambda: self._pad(inputs, output),
            RESHAPE: lambda: self._reshape(inputs, output),
            CONCATENATION: lambda: self.add("Concat", names, out, axis=operator.child(4).integer(0)),
        }
        handlers[code]()

    def _value(self, index: int) -> NDArray[np.generic]:
        value = self.halves.get(index, self.tensors[index][1])
        if value is None:
            raise SystemExit(f"tensor {index} should be a constant")
        return value

    @staticmethod
    def _plain(operator: Node, activation_field: int) -> bool:
        if operator.child(4).integer(activation_field) != 0:
            raise SystemExit("a fused activation was not expected in this network")
        return True

    def _convolution(self, operator: Node, inputs: list[int], output: int, *, depthwise: bool) -> None:
        self._plain(operator, 4 if depthwise else 3)
        options = operator.child(4)
        stride = (options.integer(2), options.integer(1))
        kernel = self._value(inputs[1])
        # Source layouts: (out, h, w, in), depthwise (1, h, w, out); ONNX wants (out, in per group, h, w).
        kernel = np.transpose(kernel, (3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
        height, width = kernel.shape[2:]
        size, result = self.tensors[inputs[0]][0][1:3], self.tensors[output][0][1:3]
        # "SAME" of TensorFlow puts the odd pixel of padding after, not before.
        total = [max((int(result[k]) - 1) * stride[k] + (height, width)[k] - int(size[k]), 0) for k in (0, 1)]
        before = [t // 2 for t in total]
        self.add(
            "Conv",
            [
                f"t{inputs[0]}",
                self.constant(f"w{output}", kernel),
                self.constant(f"b{output}", self._value(inputs[2])),
            ],
            f"t{output}",
            group=kernel.shape[0] if depthwise else 1,
            kernel_shape=(height, width),
            pads=(*before, total[0] - before[0], total[1] - before[1]),
            strides=stride,
        )

    def _pool(self, operator: Node, names: list[str], out: str) -> None:
        self._plain(operator, 5)
        options = operator.child(4)
        stride, kernel = (options.integer(2), options.integer(1)), (options.integer(4), options.integer(3))
        if stride != kernel:
            raise SystemExit("overlapping pooling was not expected in this network")
        self.add("MaxPool", names, out, kernel_shape=kernel, strides=stride)

    def _pad(self, inputs: list[int], output: int) -> None:
        channels_first = self._value(inputs[1])[[0, 3, 1, 2]]
        pads = self.constant(f"p{output}", channels_first.T.reshape(-1).astype(np.int64))
        self.add("Pad", [f"t{inputs[0]}", pads], f"t{output}")

    def _reshape(self, inputs: list[int], output: int) -> None:
        last = self.add("Transpose", [f"t{inputs[0]}"], f"t{inputs[0]}_hwc", perm=(0, 2, 3, 1))
        shape = self.tensors[output][0]
        # 0 keeps the batch dimension as it comes.
        target = self.constant(f"s{output}", np.array([0, *shape[1:]], np.int64))
        self.add("Reshape", [last, target], f"t{output}")


def main() -> None:
    """Convert the file named on the command line."""
    parser = argparse.ArgumentParser(description="Convert BlazeFace (short range) from TensorFlow Lite to ONNX.")
    parser.add_argument("source", type=Path, help="mediapipe 0.10.21 wheel, or the .tflite inside it")
    parser.add_argument("target", type=Path, help="ONNX file to write")
    options = parser.parse_args()
    model = Converter(read_source(options.source)).convert()
    options.target.write_bytes(model)
    print(f"{options.target}: {len(model)} bytes, sha256 {hashlib.sha256(model).hexdigest()}")


if __name__ == "__main__":
    main()
