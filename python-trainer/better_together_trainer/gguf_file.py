"""Opening a GGUF file that nobody vouches for.

gguf's reader trusts the counts in the header: a damaged count drives its loops for hours. So the header is walked
here first, with bounds. (Node does the same before it lets llama.cpp near the file.)
"""

import mmap
import struct
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader, ReaderTensor, dequantize

from .errors import BadInput, CheckFailed

# Proven by the parity gate: llama (which Mistral's files call themselves, too) with SmolLM2, gemma3 with its 270M.
# The others' loaders were read, and their first import is the gate's to judge.
ARCHITECTURES = ("llama", "qwen2", "qwen3", "gemma3", "phi3")

# Bytes of each scalar type id; 8 is a string, 9 an array.
SCALAR_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY = 8, 9
MAX_DIMENSIONS = 4
REMEDY = "Fetch or export the file again and compare its sha256 with the publisher's."


class Gguf:
    """A GGUF file that has been read: architecture, metadata and tensors."""

    def __init__(self, path: Path, reader: GGUFReader) -> None:
        self.path = path
        self.reader = reader
        self.architecture = str(self.get("general.architecture"))
        self.tensors: dict[str, ReaderTensor] = {tensor.name: tensor for tensor in reader.tensors}

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 (any metadata)
        field = self.reader.get_field(key)
        return default if field is None else field.contents()

    def setting(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 (any metadata)
        """A key of the model's own architecture, such as `llama.block_count`."""
        return self.get(f"{self.architecture}.{key}", default)

    @property
    def token_count(self) -> int:
        """Tokens of the vocabulary, which is also what llama.cpp gives probabilities for."""
        field = self.reader.get_field("tokenizer.ggml.tokens")
        return 0 if field is None else len(field.data)


def open_gguf(path: Path) -> Gguf:
    try:
        walk_header(path)
        reader = GGUFReader(path)
    except (ValueError, KeyError, IndexError, struct.error, OverflowError, UnicodeDecodeError) as error:
        raise BadInput("bad-gguf", f"{path.name} cannot be read as a GGUF file: {error}", REMEDY) from error
    if reader.get_field("general.architecture") is None:
        raise BadInput("bad-gguf", f"{path.name} names no general.architecture.", REMEDY)
    gguf = Gguf(path, reader)
    shards = gguf.get("split.count", 0)
    if shards > 1:
        message = f"{path.name} is one of {shards} parts of a split GGUF file."
        raise BadInput("split-gguf", message, "Join them first: llama-gguf-split --merge FIRST_PART OUT.gguf")
    return gguf


def require_supported(gguf: Gguf) -> None:
    if gguf.architecture not in ARCHITECTURES:
        message = f"{gguf.path.name} has the architecture {gguf.architecture!r}, which is not imported yet."
        hint = f"Use a model of one of these: {', '.join(ARCHITECTURES)}; or optimize its prompts only."
        raise CheckFailed("unsupported-architecture", message, hint)


def matrix(tensor: ReaderTensor) -> np.ndarray:
    """The tensor as float32 in torch's shape (rows, columns)."""
    values = dequantize(tensor.data, tensor.tensor_type)
    return values.astype(np.float32, copy=False).reshape(tuple(reversed(tensor.shape.tolist())))


# -----------------------------------------------------------------------------
# The bounded walk.


class Walk:
    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.at = 0

    def take(self, layout: str) -> int:
        (value,) = struct.unpack_from(f"<{layout}", self.data, self.at)  # struct.error past the end
        self.at += struct.calcsize(layout)
        return value

    def skip(self, count: int) -> None:
        self.at += count
        if self.at > len(self.data):
            raise ValueError(f"it ends at byte {len(self.data)}, inside of its header")

    def skip_string(self) -> None:
        self.skip(self.take("Q"))

    def skip_value(self, kind: int) -> None:
        if kind == STRING:
            self.skip_string()
        elif kind != ARRAY:
            self.skip(scalar_bytes(kind))
        else:
            inner, count = self.take("I"), self.take("Q")
            if inner != STRING:
                self.skip(count * scalar_bytes(inner))
                return
            for _ in range(count):  # ends by struct.error at the file's end, whatever the count claims
                self.skip_string()


def scalar_bytes(kind: int) -> int:
    if kind not in SCALAR_BYTES:
        raise ValueError(f"its metadata has a value of type {kind}, which is unknown here")
    return SCALAR_BYTES[kind]


def walk_header(path: Path) -> None:
    if path.stat().st_size < 24:  # magic, version and two counts
        raise ValueError("it is shorter than a GGUF header")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        walk = Walk(data)
        if data[:4] != b"GGUF":
            raise ValueError("it does not begin with the letters GGUF")
        walk.skip(4)
        version, tensors, pairs = walk.take("I"), walk.take("Q"), walk.take("Q")
        if version not in (2, 3):
            raise ValueError(f"its version is {version}; versions 2 and 3 are known here")
        for _ in range(pairs):
            walk.skip_string()
            walk.skip_value(walk.take("I"))
        for _ in range(tensors):
            walk.skip_string()
            dimensions = walk.take("I")
            if not 1 <= dimensions <= MAX_DIMENSIONS:
                raise ValueError(f"one of its tensors has {dimensions} dimensions")
            walk.skip(8 * dimensions + 4)
            if walk.take("Q") > len(data):
                raise ValueError("one of its tensors begins after its end")
