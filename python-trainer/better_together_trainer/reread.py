"""What torch makes of a folder that is handed out, read back from disk, with a PEFT adapter on it or not."""

import json
import time
from typing import Any

import torch
from peft import PeftModel

from .events import Events
from .imported import refuse_code_in_config
from .job import ReferenceJob
from .model import load_model
from .prepare import check_probes
from .reference import write_log_probabilities


def run(job: ReferenceJob, events: Events) -> dict[str, Any]:
    started = time.monotonic()
    torch.set_num_threads(job.threads)
    refuse_code_in_config(job.base / "config.json")
    config = json.loads((job.base / "config.json").read_text(encoding="utf-8"))
    check_probes(job.probe, config["vocab_size"], config["max_position_embeddings"])
    events.enter("reference")
    model = load_model(job.base, dtype=torch.float32, attention="sdpa")
    write_log_probabilities(model, job.probe, job.work_dir / "probe-base.f32")
    if job.adapter is not None:
        adapted = PeftModel.from_pretrained(model, job.adapter)
        write_log_probabilities(adapted, job.probe, job.work_dir / "probe-adapter.f32")
    return {"kind": "reference", "seconds": round(time.monotonic() - started, 2)}
