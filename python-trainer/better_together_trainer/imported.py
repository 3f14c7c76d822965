"""The folder that import_gguf makes: one GGUF file as safetensors, with a note of its origin.

`import.json` is in the folder before the folder gets its name, so a folder that has it is whole.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .errors import BadInput

# Part of the folder's identity. Raise it when the same GGUF would give another folder.
IMPORTER_VERSION = 2
NOTE = "import.json"
WEIGHTS = "model.safetensors"
REMEDY = "Run the import job again with a new out folder."


@dataclass(frozen=True, kw_only=True)
class Origin:
    """import.json: what was imported, by which importer, and what came out."""

    importer: int
    gguf_sha256: str
    dtype: str
    architecture: str
    layers: int
    vocabulary: int
    context_tokens: int
    end_of_turn: int | None
    parameters: int
    files: dict[str, int]  # bytes of each file, which catches a copy that broke off
    folder_sha256: str | None = None  # of the Hugging Face folder with the weights, where one was named

    def as_json(self) -> dict[str, Any]:
        return {JSON_NAMES.get(name, name): value for name, value in asdict(self).items()}


JSON_NAMES = {
    "gguf_sha256": "ggufSha256",
    "context_tokens": "contextTokens",
    "end_of_turn": "endOfTurn",
    "folder_sha256": "folderSha256",
}
FIELD_NAMES = {json_name: name for name, json_name in JSON_NAMES.items()}


def read_origin(folder: Path) -> Origin:
    """Reads import.json and checks that the folder is what it says; raises BadInput."""
    try:
        note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        origin = Origin(**{FIELD_NAMES.get(name, name): value for name, value in note.items()})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BadInput("bad-base", f"{folder} is not a finished import: {error}", REMEDY) from None
    if origin.importer != IMPORTER_VERSION:
        message = f"{folder} was made by importer {origin.importer}; this is importer {IMPORTER_VERSION}."
        raise BadInput("bad-base", message, REMEDY)
    for name, size in origin.files.items():
        file = folder / name
        if not file.is_file() or file.stat().st_size != size:
            raise BadInput("bad-base", f"{file} is missing or does not have its {size} bytes.", REMEDY)
    refuse_code_in_config(folder / "config.json")
    return origin


def refuse_code_in_config(path: Path) -> None:
    """transformers runs code that a config names, in some versions without being asked (CVE-2026-4372)."""
    config = json.loads(path.read_text(encoding="utf-8"))
    suspicious = [name for name in config if name == "auto_map" or name.startswith("_attn")]
    if suspicious:
        raise BadInput("bad-base", f"{path} has the keys {suspicious}, which an import never writes.", REMEDY)
