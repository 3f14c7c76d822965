"""Reading a GGUF file that nobody vouches for.

gguf's own reader trusts the header: a damaged count drives its loops for hours, and the two long string lists
of a tokenizer take it seconds. This one checks every length against the file and leaves the tensors where
they are. (Node does the same check before it lets llama.cpp near the file.)
"""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFValueType, dequantize, quant_shape_to_byte_shape

from .errors import BadInput, CheckFailed

# The tests import each with random weights, adapt it and compare it with llama.cpp; llama and gemma3 were
# compared as real models too, SmolLM2-135M and Gemma 3 270M. Mistral's files call themselves llama.
ARCHITECTURES = ("llama", "qwen2", "qwen3", "gemma3", "phi3")

REMEDY = "Fetch or export the file again and compare its sha256 with the publisher's."
MAX_DIMENSIONS = 4
SLICE_NUMBERS = 2**22
DEFAULT_ALIGNMENT = 32
KNOWN_VERSIONS = (2, 3)

Kind = GGUFValueType
SCALARS = {
    Kind.UINT8: "B",
    Kind.INT8: "b",
    Kind.UINT16: "H",
    Kind.INT16: "h",
    Kind.UINT32: "I",
    Kind.INT32: "i",
    Kind.FLOAT32: "f",
    Kind.BOOL: "?",
    Kind.UINT64: "Q",
    Kind.INT64: "q",
    Kind.FLOAT64: "d",
}


@dataclass(frozen=True)
class Field:
    kind: GGUFValueType
    inner: GGUFValueType | None  # of a list
    value: Any


@dataclass(frozen=True)
class Tensor:
    name: str
    encoding: GGMLQuantizationType
    shape: tuple[int, ...]  # as in torch: (rows, columns)
    data: np.ndarray  # raw bytes, mapped: (..., bytes of a row)

    def as_float32(self) -> np.ndarray:
        """A copy."""
        values = np.empty(self.shape, np.float32)
        rows = values.reshape(-1, self.shape[-1])
        for places, part in self.float_rows():
            rows[places] = part
        return values

    def float_rows(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Some rows at a time, with their places: gguf's dequantize takes several times what it returns."""
        raw = self.data.reshape(-1, self.data.shape[-1])
        slice_rows = max(1, SLICE_NUMBERS // self.shape[-1])
        for at in range(0, len(raw), slice_rows):
            places = slice(at, at + slice_rows)
            yield places, dequantize(raw[places], self.encoding)


@dataclass(frozen=True, repr=False)
class Gguf:
    path: Path
    fields: dict[str, Field]
    tensors: dict[str, Tensor]

    @property
    def architecture(self) -> str:
        return self.get("general.architecture")

    @property
    def token_count(self) -> int:
        """Tokens of the vocabulary, which is also what llama.cpp gives probabilities for."""
        return len(self.get("tokenizer.ggml.tokens", ()))

    def get(self, key: str, default: Any = None) -> Any:
        return self.fields[key].value if key in self.fields else default

    def setting(self, key: str, default: Any = None) -> Any:
        """A key of the model's own architecture, such as `llama.block_count`."""
        return self.get(f"{self.architecture}.{key}", default)


def open_gguf(path: Path) -> Gguf:
    """Reads metadata and maps the tensors; raises BadInput for anything that is not a whole GGUF file."""
    try:
        gguf = read_gguf(path)
    except (ValueError, struct.error) as error:
        raise BadInput("bad-gguf", f"{path.name} cannot be read as a GGUF file: {error}.", REMEDY) from error
    shards = gguf.get("split.count", 0)
    if shards > 1:
        message = f"{path.name} is one of {shards} parts of a split GGUF file."
        raise BadInput("split-gguf", message, "Join them first: llama-gguf-split --merge FIRST_PART OUT.gguf")
    return gguf


def require_supported(gguf: Gguf, *, allow_untested: bool) -> None:
    if gguf.architecture in ARCHITECTURES or allow_untested:
        return
    message = (
        f"{gguf.path.name} has the architecture {gguf.architecture!r}, and no such import was ever compared "
        "with llama.cpp."
    )
    hint = (
        f"Use a model of one of these: {', '.join(ARCHITECTURES)}; or optimize its prompts only; or set "
        "allowUntestedArchitecture (--allow-untested-architecture): the gates decide then, which compare "
        "each import with llama.cpp."
    )
    raise CheckFailed("unsupported-architecture", message, hint)


# -----------------------------------------------------------------------------


def read_gguf(path: Path) -> Gguf:
    """Raises ValueError or struct.error where the file is not what its header claims."""
    if path.stat().st_size == 0:  # which mmap refuses in words of its own
        raise ValueError("it is empty")
    with path.open("rb") as file:
        header = Cursor(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    if header.bytes(4) != b"GGUF":
        raise ValueError("it does not begin with the letters GGUF")
    version, tensor_count, field_count = header.scalars("I", 1)[0], *header.scalars("Q", 2)
    if version not in KNOWN_VERSIONS:
        raise ValueError(f"its version is {version}; versions 2 and 3 are known here")

    fields = {}
    for _ in range(field_count):  # a count that lies ends at the file's end
        name = header.text()
        if name in fields:
            raise ValueError(f"it has the key {name} twice")
        fields[name] = header.field()
    if not isinstance(fields.get("general.architecture", Field(Kind.STRING, None, None)).value, str):
        raise ValueError("it names no general.architecture")

    places = dict(header.tensor_place() for _ in range(tensor_count))
    if len(places) != tensor_count:
        raise ValueError("it has a tensor twice")
    alignment = fields["general.alignment"].value if "general.alignment" in fields else DEFAULT_ALIGNMENT
    if alignment <= 0 or alignment & (alignment - 1):
        raise ValueError(f"its alignment is {alignment}, which is no power of two")
    start = -(-header.at // alignment) * alignment
    whole = np.frombuffer(header.data, np.uint8)
    tensors = {name: map_tensor(name, *place, whole[start:]) for name, place in places.items()}
    return Gguf(path, fields, tensors)


def map_tensor(
    name: str, encoding: GGMLQuantizationType, shape: tuple[int, ...], offset: int, data: np.ndarray
) -> Tensor:
    byte_shape = quant_shape_to_byte_shape(shape, encoding)
    size = int(np.prod(byte_shape, dtype=object))  # of any size: no overflow
    if offset + size > len(data):
        raise ValueError(f"it ends inside of the tensor {name}")
    return Tensor(name, encoding, shape, data[offset : offset + size].reshape(byte_shape))


class Cursor:
    """Reads the header from front to back, and never past the file's end."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.at = 0

    def bytes(self, count: int) -> bytes:
        self.at += count
        if self.at > len(self.data):
            raise ValueError("it ends inside of its header")
        return self.data[self.at - count : self.at]

    def scalars(self, layout: str, count: int) -> tuple[Any, ...]:
        size = struct.calcsize(layout)
        if count * size > len(self.data):
            raise ValueError("it has a list longer than itself")
        return struct.unpack(f"<{count}{layout}", self.bytes(count * size))

    def text(self) -> str:
        return self.bytes(self.scalars("Q", 1)[0]).decode()

    def field(self) -> Field:
        kind = Kind(self.scalars("I", 1)[0])
        if kind == Kind.STRING:
            return Field(kind, None, self.text())
        if kind != Kind.ARRAY:
            return Field(kind, None, self.scalars(SCALARS[kind], 1)[0])
        inner, count = Kind(self.scalars("I", 1)[0]), self.scalars("Q", 1)[0]
        if inner == Kind.STRING:
            return Field(kind, inner, [self.text() for _ in range(count)])
        if inner == Kind.ARRAY:
            raise ValueError("it has a list of lists")
        return Field(kind, inner, list(self.scalars(SCALARS[inner], count)))

    def tensor_place(self) -> tuple[str, tuple[GGMLQuantizationType, tuple[int, ...], int]]:
        name, dimensions = self.text(), self.scalars("I", 1)[0]
        if not 1 <= dimensions <= MAX_DIMENSIONS:
            raise ValueError(f"the tensor {name} has {dimensions} dimensions")
        shape = tuple(reversed(self.scalars("Q", dimensions)))  # GGUF counts from the innermost
        encoding, offset = GGMLQuantizationType(self.scalars("I", 1)[0]), self.scalars("Q", 1)[0]
        return name, (encoding, shape, offset)
