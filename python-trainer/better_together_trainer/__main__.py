"""python -m better_together_trainer run JOB.json | reencode IN OUT --type Q8_0 | versions

`run` exits with 0 done, 2 bad job or usage, 3 a check failed, 4 out of memory, 75 stopped
and resumable; anything else is a crash. Heavy modules are imported where they are first needed: a bad job
must not wait ten seconds for torch to hear so.
"""

import argparse
import errno
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from . import versions
from .environment import limit_to
from .errors import OutOfMemory, TrainerError, is_out_of_memory
from .events import Events, open_events
from .files import sha256_of, write_json
from .job import ImportJob, Job, MergeFolderJob, MergeJob, ReferenceJob, SftJob, read_job
from .lifeline import Lifeline
from .network import report_attempts

EXIT_CRASHED = 1


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="better_together_trainer", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="carry out a job file; running it again resumes it")
    run.add_argument("job", type=Path)
    reencode = commands.add_parser("reencode", help="write a GGUF with its matrices in another encoding")
    reencode.add_argument("source", type=Path)
    reencode.add_argument("target", type=Path)
    reencode.add_argument("--type", choices=["Q8_0", "Q4_0", "Q4_1", "F16", "F32"], required=True)
    commands.add_parser("versions", help="print versions and devices as one line of JSON")
    options = parser.parse_args(arguments)

    if options.command == "run":
        return run_job(options.job)
    if options.command == "reencode":
        return reencode_file(options.source, options.target, options.type)
    print(json.dumps(versions.describe()))
    return 0


def reencode_file(source: Path, target: Path, type_name: str) -> int:
    from .reencode import reencode

    try:
        reencode(source, target, type_name)
    except TrainerError as error:
        print(f"{error}\n{error.hint}", file=sys.stderr)
        return error.exit_code
    print(json.dumps({"type": type_name, "bytes": target.stat().st_size, "sha256": sha256_of(target)}))
    return 0


# -----------------------------------------------------------------------------


def run_job(path: Path) -> int:
    """Carries out one job: events to the parent, files in its work folder, and an exit code."""
    os.umask(0o077)  # rows come from private data
    events = open_events()
    report_attempts(events)
    lifeline = Lifeline(events)
    lifeline.watch()
    events.emit("start", pid=os.getpid())
    events.start_heartbeat()
    try:
        events.enter("check")
        job = read_job(path)
        job.work_dir.mkdir(parents=True, exist_ok=True)
        limit_to(threads=job.threads, device=job.device)
        result = carry_out(job, events, lifeline)
    except TrainerError as error:
        return fail(events, error.exit_code, error.code, str(error), error.hint)
    except Exception as error:  # noqa: BLE001 (the edge of the process: whatever it was, the parent must hear it)
        traceback.print_exc()
        message = f"{type(error).__name__}: {error}"
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return fail(events, EXIT_CRASHED, "disk-full", message, "Make room and run it again.")
        if is_out_of_memory(error):
            hint = "End other programs, or take a smaller model."
            return fail(events, OutOfMemory.exit_code, "out-of-memory", message, hint)
        return fail(events, EXIT_CRASHED, "crash", message, "The traceback is on standard error.")
    events.emit("result", **result)
    return 0


def fail(events: Events, exit_code: int, code: str, message: str, hint: str) -> int:
    print(f"{code}: {message}\n{hint}", file=sys.stderr)
    events.emit("error", code=code, message=message, hint=hint)
    return exit_code


def carry_out(job: Job, events: Events, lifeline: Lifeline) -> dict[str, Any]:
    if isinstance(job, ImportJob):
        return run_import(job, events)
    if isinstance(job, SftJob):
        return run_sft(job, events, lifeline)
    return run_export(job, events)


def run_export(job: MergeJob | MergeFolderJob | ReferenceJob, events: Events) -> dict[str, Any]:
    """Made of finished files, in one go: there is nothing to resume."""
    from .prepare import RESULT

    if isinstance(job, MergeJob):  # the only one without torch
        from . import merge_gguf as export
    elif isinstance(job, MergeFolderJob):
        events.enter("import torch")
        from . import merge_folder as export
    else:
        events.enter("import torch")
        from . import reread as export
    result = export.run(job, events)
    write_json(job.work_dir / RESULT, result)
    return result


def run_import(job: ImportJob, events: Events) -> dict[str, Any]:
    from .prepare import RESULT, prepare_import

    gguf = prepare_import(job)
    events.enter("import torch")
    from . import import_gguf

    result = import_gguf.run(job, gguf, events)
    write_json(job.work_dir / RESULT, result)
    return result


def run_sft(job: SftJob, events: Events, lifeline: Lifeline) -> dict[str, Any]:
    from .checkpoints import discard_all
    from .prepare import RESULT, claim, finished_result, prepare_sft

    inputs = prepare_sft(job)
    claim(job.work_dir, inputs.key)
    finished = finished_result(job.work_dir)
    if finished is not None:
        return finished
    events.enter("import torch")
    from . import sft

    result = sft.run(sft.Run(job, inputs, events, lifeline))
    write_json(job.work_dir / RESULT, result)
    discard_all(job.work_dir)  # the checkpoints, which nothing will resume any more
    return result


if __name__ == "__main__":
    sys.exit(main())
