# gepa 0.1.4 and DSPy 3.4.1 on the laboratory's problems: asks the server for one job after the other, and
# sends back what was found.
#
#   python peers.py PORT
#
# The models and their luck are the server's. DSPy has its default layout, no cache and one thread.

import http.client
import json
import logging
import os
import sys
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar, Literal

import dspy
import gepa
from gepa.core.adapter import EvaluationBatch

logging.disable(logging.ERROR)
warnings.simplefilter("ignore")

Job = dict[str, Any]
Messages = list[dict[str, str]]
Rows = list[dspy.Example]

connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))


def post(path: str, content: Any) -> Any:
    try:
        connection.request("POST", path, json.dumps(content), {"content-type": "application/json"})
        response = connection.getresponse()
        text = response.read().decode()
        if response.status != 200:
            raise RuntimeError(f"{path}: {text}")
        return json.loads(text)
    except Exception as error:  # noqa: BLE001
        # The optimizers take an exception for a score of 0: a broken bench would look like a bad result.
        print(f"{path}: {error!r}", file=sys.stderr, flush=True)
        os._exit(1)


def complete(job: str, model: str, messages: Messages, temperature: float) -> str:
    body = {"model": model, "messages": messages, "temperature": temperature}
    return post(f"/{job}/{model}/v1/chat/completions", body)["choices"][0]["message"]["content"]


class Asked:
    """The prompts of one run of a program, which the metric of a noisy problem looks at."""

    prompts: ClassVar[list[Messages]] = []


class ScriptedLM(dspy.BaseLM):
    def __init__(self, job: str, model: str) -> None:
        super().__init__(model, temperature=0.0, max_tokens=1000, cache=False)
        self.job = job

    def forward(
        self, prompt: str | None = None, messages: Messages | None = None, **given: Any
    ) -> SimpleNamespace:
        messages = messages or [{"role": "user", "content": prompt}]
        if self.model == "student":
            Asked.prompts.append(messages)
        text = complete(self.job, self.model, messages, given.get("temperature", self.kwargs["temperature"]))
        message = SimpleNamespace(content=text, tool_calls=None)
        choice = SimpleNamespace(message=message, finish_reason="stop")
        return SimpleNamespace(choices=[choice], usage={}, model=self.model)


class Chain(dspy.Module):
    """Calls its predictors one after the other; each takes what it needs of what is known so far."""

    def __init__(self, predictors: list[Job]) -> None:
        super().__init__()
        self.names = [predictor["name"] for predictor in predictors]
        for predictor in predictors:
            setattr(self, predictor["name"], dspy.Predict(signature_of(predictor)))

    def forward(self, **known: str) -> dspy.Prediction:
        Asked.prompts.clear()
        for name in self.names:
            predictor = getattr(self, name)
            inputs = {field: known[field] for field in predictor.signature.input_fields}
            known.update(predictor(**inputs).toDict())
        return dspy.Prediction(**known)


def signature_of(predictor: Job) -> type[dspy.Signature]:
    inputs = {name: (str, dspy.InputField()) for name in predictor["inputs"]}
    outputs = {
        name: (Literal[tuple(labels)], dspy.OutputField()) for name, labels in predictor["outputs"].items()
    }
    return dspy.Signature({**inputs, **outputs}, predictor["instructions"])


def score(job: Job, row: Job, outputs: dict[str, str], prompts: list[Messages]) -> dict[str, Any]:
    """What the laboratory's metric says: it knows the noise, what is right is told here."""
    job["metricCalls"] = job.get("metricCalls", 0) + 1
    if job["isNoisy"]:
        return post(f"/{job['name']}/metric", {**row, "outputs": outputs, "prompts": prompts})
    if outputs["team"] == row["labels"]["team"]:
        return {"score": 1.0, "feedback": "This is right."}
    return {"score": 0.0, "feedback": f'team should be "{row["labels"]["team"]}".'}


def with_dspy(compile_with: Callable[..., dspy.Module]) -> Callable[[Job], Job]:
    def run(job: Job) -> Job:
        inputs, labels = ([*job["train"][0][part]] for part in ("inputs", "labels"))

        def metric(example: dspy.Example, prediction: dspy.Prediction, trace: Any = None) -> float:  # noqa: ARG001
            row = {
                "inputs": {name: example[name] for name in inputs},
                "labels": {name: example[name] for name in labels},
            }
            outputs = {name: getattr(prediction, name) for name in labels}
            return score(job, row, outputs, Asked.prompts)["score"]

        def rows(split: str) -> list[dspy.Example]:
            return [dspy.Example(**row["inputs"], **row["labels"]).with_inputs(*inputs) for row in job[split]]

        program = Chain(job["predictors"])
        with dspy.context(lm=ScriptedLM(job["name"], "student"), disable_history=True):
            found = compile_with(job, metric, program, rows("train"), rows("val"))
        return {name: state_of(getattr(found, name)) for name in found.names}

    return run


def state_of(predictor: dspy.Predict) -> Job:
    fields = predictor.signature.fields
    demos = [{key: demo[key] for key in fields if key in demo} for demo in predictor.demos]
    return {"instructions": predictor.signature.instructions, "demos": demos}


def mipro_v2(job: Job, metric: Callable, program: Chain, train: Rows, val: Rows) -> dspy.Module:
    optimizer = dspy.MIPROv2(
        metric,
        prompt_model=ScriptedLM(job["name"], "writer"),
        auto=None,
        num_candidates=job["settings"]["numCandidates"],
        num_threads=1,
        seed=job["seed"] + 1,  # a seed of 0 would be replaced by 9
    )
    trials = job["settings"]["numTrials"]
    return optimizer.compile(program, trainset=train, valset=val, num_trials=trials, minibatch=False)


def random_search(job: Job, metric: Callable, program: Chain, train: Rows, val: Rows) -> dspy.Module:
    optimizer = dspy.BootstrapFewShotWithRandomSearch(
        metric,
        max_labeled_demos=job["settings"]["maxLabeledDemos"],
        num_candidate_programs=job["settings"]["numCandidatePrograms"],
        num_threads=1,
    )
    return optimizer.compile(program, trainset=train, valset=val)


class LaboratoryAdapter:
    """Runs the chain on instructions alone, in the markers of DSPy's layout."""

    propose_new_texts = None

    def __init__(self, job: Job) -> None:
        self.job = job

    def evaluate(
        self, batch: list[Job], candidate: dict[str, str], capture_traces: bool = False
    ) -> EvaluationBatch:
        runs = [self.run(row, candidate) for row in batch]
        return EvaluationBatch(
            outputs=[run["outputs"] for run in runs],
            scores=[run["score"] for run in runs],
            trajectories=runs if capture_traces else None,
        )

    def run(self, row: Job, candidate: dict[str, str]) -> Job:
        known, calls, prompts = dict(row["inputs"]), {}, []
        for predictor in self.job["predictors"]:
            inputs = {name: known[name] for name in predictor["inputs"]}
            asked = "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in inputs.items())
            system = {"role": "system", "content": candidate[predictor["name"]]}
            prompts.append([system, {"role": "user", "content": asked}])
            text = complete(self.job["name"], "student", prompts[-1], 0)
            outputs = {
                name: text.split(f"[[ ## {name} ## ]]\n")[1].split("\n")[0] for name in predictor["outputs"]
            }
            known.update(outputs)
            calls[predictor["name"]] = {"Inputs": inputs, "Generated Outputs": outputs}
        outputs = {name: known[name] for name in row["labels"]}
        return {"outputs": outputs, "calls": calls, **score(self.job, row, outputs, prompts)}

    def make_reflective_dataset(
        self,
        candidate: dict[str, str],  # noqa: ARG002
        eval_batch: EvaluationBatch,
        components_to_update: list[str],
    ) -> dict[str, list[Job]]:
        return {
            name: [{**run["calls"][name], "Feedback": run["feedback"]} for run in eval_batch.trajectories]
            for name in components_to_update
        }


class Silent:
    def log(self, message: str) -> None:
        pass


def gepa_itself(job: Job) -> Job:
    def reflect(prompt: str | Messages) -> str:
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        return complete(job["name"], "writer", messages, 1)

    result = gepa.optimize(
        seed_candidate={predictor["name"]: predictor["instructions"] for predictor in job["predictors"]},
        trainset=job["train"],
        valset=job["val"],
        adapter=LaboratoryAdapter(job),
        reflection_lm=reflect,
        max_metric_calls=job["settings"]["maxMetricCalls"],
        use_merge=True,  # as DSPy's GEPA has it
        logger=Silent(),
        seed=job["seed"],
    )
    return {name: {"instructions": text, "demos": []} for name, text in result.best_candidate.items()}


optimizers = {"gepa": gepa_itself, "miproV2": with_dspy(mipro_v2), "random-search": with_dspy(random_search)}

while job := post("/next", {}):
    found = optimizers[job["optimizer"]](job)
    post(f"/{job['name']}/found", {"program": found, "metricCalls": job["metricCalls"]})
