"""Label Studio: tasks pushed and pulled, and what a hundred answers cost in a large project.

Takes the server from the environment: GYRE_CONN_GYRE_LABELSTUDIO='{"conn_type": "http", "host": ..., "port": ..., "password": token}', or from a running
stack (`make up`). Run: PYTHONPATH=include .venvs/torch/bin/python benchmarks/labelling.py --tasks 10000
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gyre.clients.label_studio import Guess, LabelStudio, NewTask, chunks
from gyre.connections import ask_also
from gyre.stack.airflow_settings import local_connections

CHANGED = 100
CONFIG = (
    '<View><Image name="image" value="$image"/><Choices name="label" toName="image" choice="single"><Choice value="yes"/><Choice value="no"/></Choices></View>'
)
RESULTS: list[dict[str, Any]] = [{"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": ["yes"]}}]


server_pid: list[int] = []


def server_seconds() -> float:
    """CPU time of the server so far, of its workers too; 0 if it runs elsewhere."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rsplit(")", 1)[1].split()
            parents[int(stat.parent.name)] = (int(fields[1]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
    return sum(used for pid, (parent, used) in parents.items() if {pid, parent} & set(server_pid))


@contextmanager
def measured(what: str, rows: int) -> Iterator[None]:
    """Print how long something took, how much of a core the server and this process computed for it, and how busy the machine was."""
    began, here, there = time.perf_counter(), time.process_time(), server_seconds()
    yield
    took, here, there = time.perf_counter() - began, time.process_time() - here, server_seconds() - there
    load = os.getloadavg()[0]
    print(f"{what:48} {took:7.2f} s wall {rows / took:8,.0f}/s  CPU: server {there:6.2f} s, here {here:5.2f} s  load {load:4.1f}", flush=True)


def same(found: object, wanted: object) -> None:
    """Stop if what came is not what went."""
    if found != wanted:
        sys.exit(f"wanted {str(wanted)[:100]}, found {str(found)[:100]}")


def new_tasks(count: int, guess: Guess | None = None) -> list[NewTask]:
    """Make tasks with keys of a real one's length."""
    return [NewTask(f"{i:064x}", {"image": f"s3://pictures/{i}.png", "gyre_reason": "random"}, guess) for i in range(count)]


def push_and_pull(studio: LabelStudio, project: int, count: int) -> None:
    """Push, list, answer some, pull."""
    ids: list[int] = []
    with measured("push", count):
        for chunk in chunks(new_tasks(count)):
            ids += studio.create_tasks(project, chunk)
    with measured("read every key", count):
        same([task for task, _ in studio.newest_tasks(project, after=0)], ids)
    with measured("count", 1):
        same(studio.count_tasks(project), count)
    with measured(f"answer {CHANGED}, one request each, as people do", CHANGED):
        for task in ids[:: count // CHANGED][:CHANGED]:
            studio.server.sdk.annotations.create(task, result=RESULTS, lead_time=1.0)
    since = sorted(task.updated_at for task in studio.export(project))[-CHANGED]
    with measured(f"pull the {CHANGED} that changed", CHANGED):
        same(len(list(studio.changed(project, since))), CHANGED)
    with measured("pull all by export", count):
        same(len(list(studio.export(project))), count)


def with_guesses(studio: LabelStudio, project: int, count: int) -> None:
    """Push tasks that show a guess."""
    with measured("push with a guess each", count):
        for chunk in chunks(new_tasks(count, Guess(RESULTS, 0.9, "digits 1"))):
            studio.create_tasks(project, chunk)


def answered(studio: LabelStudio, project: int, count: int) -> None:
    """Import tasks that have an answer, the only way to make many, and pull them both ways."""
    body: Any = [{**task.body(), "annotations": [{"result": RESULTS, "lead_time": 1.0}]} for task in new_tasks(count)]
    with measured("import with an answer each", count):
        for start in range(0, count, 2500):
            studio.server.sdk.projects.import_tasks(project, request=body[start : start + 2500])
    exported = []
    with measured("pull all, answered, by export", count):
        exported = list(studio.export(project))
    with measured("pull all, answered, by what changed", count):
        same(len(list(studio.changed(project, min(task.updated_at for task in exported)))), count)


def main() -> None:
    """Do each in a project of its own, which is removed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--server", type=int, help="process id of the server, if it runs here: its CPU time is told, too")
    given = parser.parse_args()
    count = given.tasks
    server_pid.extend([given.server] if given.server else [])
    ask_also(lambda conn_id: local_connections().get(conn_id))
    studio = LabelStudio.of("gyre_labelstudio")
    for work in (push_and_pull, with_guesses, answered):
        project = studio.project(f"benchmark {uuid.uuid4().hex[:8]}", CONFIG, "", annotators=1).id
        try:
            work(studio, project, count)
        finally:
            studio.server.sdk.projects.delete(project)


if __name__ == "__main__":
    main()
