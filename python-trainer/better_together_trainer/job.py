"""The job: read and checked once, here, with every mistake reported at once. The rest of the code trusts it.

Each key is one line below: its name (camelCase in the file), its type, its check. Every key is required but
`probe` and `neutral`: a default that lives on both sides of a process boundary is one that will differ some
day. Paths may be relative to the job file.
"""

import dataclasses
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .checks import (
    Check,
    Place,
    boolean,
    choice,
    integer,
    listing,
    nullable,
    number,
    one_of_or_names,
    path_to,
    sha256,
    shown,
    text,
)
from .errors import BadInput, bad_input_list

JOB_VERSION = 1
HINT = "python-trainer/README.md describes the job file, version 1."


class Section:
    """A part of the job that is an object in the file."""

    def contradictions(self) -> list[str]:
        """What is wrong although every key on its own is right."""
        return []


AnySection = TypeVar("AnySection", bound=Section)


def section(cls: type[AnySection]) -> Check:
    return lambda value, place: read_section(cls, value, place)


def key(check: Check, **options: Any) -> Any:
    return dataclasses.field(metadata={"check": check}, **options)


# -----------------------------------------------------------------------------
# What can be asked.


@dataclass(frozen=True, kw_only=True)
class Probe(Section):
    """Token ids, and the positions i at which the distribution of the token after ids[0..i] is wanted."""

    ids: tuple[int, ...] = key(listing(integer(0), minimum=1))
    positions: tuple[int, ...] = key(listing(integer(0), minimum=1))

    def contradictions(self) -> list[str]:
        outside = [position for position in self.positions if position >= len(self.ids)]
        return [f"asks for positions {outside} of {len(self.ids)} ids"] if outside else []


@dataclass(frozen=True, kw_only=True)
class Lora(Section):
    rank: int = key(integer(1, 1024))
    alpha: float = key(number(0, exclusive=True))  # llama.cpp reads alpha 0 as "scale 1"
    dropout: float = key(number(0, below=1))
    rs_lora: bool = key(boolean)
    top_layers: int | None = key(nullable(integer(1)))
    targets: str | tuple[str, ...] = key(one_of_or_names("all", "attention", "mlp"))


@dataclass(frozen=True, kw_only=True)
class Training(Section):
    method: str = key(choice("sft", "dpo"))
    beta: float | None = key(nullable(number(0, exclusive=True)))  # of dpo
    steps: int = key(integer(1))
    batch: int = key(integer(1))  # rows an optimizer step sees, however they are split
    micro_batch: int = key(integer(1))
    learning_rate: float = key(number(0, exclusive=True))
    warmup_steps: int = key(integer(0))
    schedule: str = key(choice("constant", "linear", "cosine"))
    precision: str = key(choice("autocast-bf16", "float32", "bfloat16"))
    quantization: str = key(choice("none", "4bit"))  # of the frozen base
    max_grad_norm: float = key(number(0))
    weight_decay: float = key(number(0))
    checkpoint_steps: int = key(integer(1))

    def contradictions(self) -> list[str]:
        found = []
        if self.batch % self.micro_batch:
            found.append(f"has a batch of {self.batch}, which microBatch {self.micro_batch} does not divide")
        if self.warmup_steps > self.steps:
            found.append(f"has {self.warmup_steps} warmupSteps, more than its {self.steps} steps")
        if (self.method == "dpo") != (self.beta is not None):
            found.append(f"has method {self.method} and beta {self.beta}; dpo needs a number, sft null")
        return found


@dataclass(frozen=True, kw_only=True)
class Evaluation(Section):
    """Rows that are not trained on, and what their loss decides."""

    rows: Path = key(path_to("file"))
    every_steps: int = key(integer(1))  # and after the last step
    patience: int = key(integer(1))  # evaluations in a row that are not below the best
    keep: str = key(choice("best", "last"))


@dataclass(frozen=True, kw_only=True)
class BaseFolder(Section):
    """A Hugging Face folder, and the hash that the caller knows its content by."""

    path: Path = key(path_to("folder"))
    sha256: str = key(sha256)


@dataclass(frozen=True, kw_only=True)
class ImportJob(Section):
    version: int = key(integer(JOB_VERSION, JOB_VERSION))
    kind: str = key(choice("import"))
    gguf: Path = key(path_to("file"))
    base_folder: BaseFolder | None = key(nullable(section(BaseFolder)))
    out: Path = key(path_to("output"))
    work_dir: Path = key(path_to("output"))
    dtype: str = key(choice("float32", "bfloat16"))
    allow_untested_architecture: bool = key(boolean)
    threads: int = key(integer(1, 1024))
    probe: tuple[Probe, ...] = key(listing(section(Probe)), default=())

    device = "cpu"


@dataclass(frozen=True, kw_only=True)
class SftJob(Section):
    version: int = key(integer(JOB_VERSION, JOB_VERSION))
    kind: str = key(choice("sft"))
    base: Path = key(path_to("folder"))
    gguf: Path = key(path_to("file"))
    rows: Path = key(path_to("file"))
    work_dir: Path = key(path_to("output"))
    device: str = key(choice("cpu", "cuda", "metal"))
    threads: int = key(integer(1, 1024))
    seed: int = key(integer(0, 2**32 - 1))  # numpy takes no more
    lora: Lora = key(section(Lora))
    start_adapter: Path | None = key(nullable(path_to("folder")))
    training: Training = key(section(Training))
    evaluation: Evaluation | None = key(nullable(section(Evaluation)))
    neutral: tuple[Probe, ...] = key(listing(section(Probe)), default=())  # where the base should stay itself
    probe: tuple[Probe, ...] = key(listing(section(Probe)), default=())

    @property
    def keep(self) -> str:
        return self.evaluation.keep if self.evaluation else "last"


@dataclass(frozen=True, kw_only=True)
class MergeJob(Section):
    """Base GGUF + LoRA GGUF -> one GGUF."""

    version: int = key(integer(JOB_VERSION, JOB_VERSION))
    kind: str = key(choice("merge"))
    gguf: Path = key(path_to("file"))
    adapter: Path = key(path_to("file"))
    encoding: str = key(choice("Q8_0", "F16"))  # of the tensors that change
    work_dir: Path = key(path_to("output"))
    threads: int = key(integer(1, 1024))

    device = "cpu"


@dataclass(frozen=True, kw_only=True)
class TokenizerProbe(Section):
    """A text and the ids that the runtime gives it."""

    text: str = key(text)
    ids: tuple[int, ...] = key(listing(integer(0)))


@dataclass(frozen=True, kw_only=True)
class MergeFolderJob(Section):
    """Imported folder + PEFT folder -> one Hugging Face folder."""

    version: int = key(integer(JOB_VERSION, JOB_VERSION))
    kind: str = key(choice("merge-folder"))
    base: Path = key(path_to("folder"))
    gguf: Path = key(path_to("file"))
    adapter: Path = key(path_to("folder"))
    dtype: str = key(choice("float32", "float16", "bfloat16"))
    tokenizer_probe: tuple[TokenizerProbe, ...] = key(listing(section(TokenizerProbe)))
    work_dir: Path = key(path_to("output"))
    threads: int = key(integer(1, 1024))

    device = "cpu"


@dataclass(frozen=True, kw_only=True)
class ReferenceJob(Section):
    """What a folder, with a PEFT folder on it or not, says at the probes."""

    version: int = key(integer(JOB_VERSION, JOB_VERSION))
    kind: str = key(choice("reference"))
    base: Path = key(path_to("folder"))
    adapter: Path | None = key(nullable(path_to("folder")))
    work_dir: Path = key(path_to("output"))
    threads: int = key(integer(1, 1024))
    probe: tuple[Probe, ...] = key(listing(section(Probe), minimum=1))

    device = "cpu"


Job = ImportJob | SftJob | MergeJob | MergeFolderJob | ReferenceJob
JOBS = {
    "import": ImportJob,
    "sft": SftJob,
    "merge": MergeJob,
    "merge-folder": MergeFolderJob,
    "reference": ReferenceJob,
}


# -----------------------------------------------------------------------------
# Reading.


def read_job(path: Path) -> Job:
    """Reads and checks a job file; raises one BadInput that lists all of its mistakes."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput("bad-job", f"The job file {path} cannot be read: {error.strerror}.", HINT) from None
    except ValueError as error:
        raise BadInput("bad-job", f"The job file {path} is not JSON: {error}.", HINT) from None

    place = Place(name="", folder=path.parent, mistakes=[])
    kind = raw.get("kind") if isinstance(raw, dict) else None
    if not isinstance(kind, str) or kind not in JOBS:
        message = f"The job file {path} has kind {kind!r}; it must be one of {', '.join(JOBS)}."
        raise BadInput("bad-job", message, HINT)
    job = read_section(JOBS[kind], raw, place)
    if place.mistakes:
        raise bad_input_list("bad-job", f"The job file {path}", place.mistakes, HINT)
    return job


def read_section(cls: type[AnySection], raw: Any, place: Place) -> AnySection | None:
    if not isinstance(raw, dict):
        place.complain(f"is {shown(raw)}; it must be an object")
        return None
    fields = {camel_case(field.name): field for field in dataclasses.fields(cls)}
    for unknown in sorted(raw.keys() - fields.keys()):
        place.at(unknown).complain(f"is not a key; the keys here are {', '.join(fields)}")

    before = len(place.mistakes)
    values = {}
    for name, field in fields.items():
        if name in raw:
            values[field.name] = field.metadata["check"](raw[name], place.at(name))
        elif field.default is dataclasses.MISSING:
            place.at(name).complain("is missing")
    if len(place.mistakes) > before:
        return None  # values that are wrong on their own cannot contradict each other
    made = cls(**values)
    for contradiction in made.contradictions():
        place.complain(contradiction)
    return made


def camel_case(name: str) -> str:
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def job_as_json(job: ImportJob | SftJob) -> dict[str, Any]:
    """The job without its paths: what must be equal for two jobs to make the same files."""
    return without_paths(dataclasses.asdict(job))


def without_paths(section: dict[str, Any]) -> dict[str, Any]:
    return {
        name: without_paths(value) if isinstance(value, dict) else value
        for name, value in section.items()
        if not isinstance(value, Path)
    }
