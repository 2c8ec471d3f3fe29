"""Start the stack: what can run at the same time does, and nothing counts as started before it answers."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from gyre.errors import StackError
from gyre.journal import Journal
from gyre.layout import write_private
from gyre.stack import airflow, airflow_settings, environments, label_studio, ports, processes, steps, supervisor
from gyre.stack.component import Component
from gyre.stack.components import ENVIRONMENTS, components
from gyre.stack.context import Stack

PATIENCE = 240.0  # seconds for one server to become healthy, on a slow and busy machine
RESTARTS_ALLOWED = 3

Say = Callable[[str], None]


@dataclass(frozen=True)
class Step:
    """Something to do once what it needs is done."""

    name: str
    needs: tuple[str, ...]
    do: Callable[[], str]


def up(say: Say, more_environments: Sequence[str] = ()) -> Stack:
    """Bring the whole stack up, from whatever state it is in.

    Args:
        say: Receives one line of progress at a time.
        more_environments: Environments to install besides the stack's own: those of the use cases.

    Raises:
        StackError: If something cannot be started; what did start keeps running, for a look at the logs.
    """
    began = time.monotonic()
    stack = Stack.create()
    with processes.exclusive(stack.layout):
        if not supervisor.is_running(stack.layout) and (count := processes.end_left_over(stack.layout)):
            say(f"ended {count} processes of an earlier run that was interrupted")
        parts = components(stack)
        _require_ports(stack, parts)
        environments.build(stack.settings, list(dict.fromkeys([*ENVIRONMENTS[1:], *more_environments])), say)
        write_private(stack.layout.remembered_settings, json.dumps(stack.given_variables(), indent=2))
        write_private(stack.layout.login, f"{airflow.login(stack)}\n{label_studio.login(stack)}")
        supervisor.start(stack)
        run_steps([*(_start(stack, part) for part in parts), *_other_steps(stack)], say)
    say(f"up in {time.monotonic() - began:.0f} s")
    return stack


def _require_ports(stack: Stack, parts: Sequence[Component]) -> None:
    """Before anything starts: the ports of what does not run yet must be free."""
    running = {name for name, each in supervisor.processes(stack.layout).items() if each.state in {"RUNNING", "STARTING", "BACKOFF"}}
    ports.require_free(stack.settings, [port for part in parts if part.name not in running for port in part.ports])


def _other_steps(stack: Stack) -> list[Step]:
    def migrate() -> str:
        airflow.migrate(stack)
        return "Airflow's database"

    def make_journal() -> str:
        Journal(airflow_settings.local_connections(stack)["gyre_journal"].postgres_uri).migrate()
        return ""

    return [
        Step("airflow-migrate", ("postgres",), migrate),
        Step("airflow-settings", ("airflow-api-server", "kafka"), lambda: airflow_settings.apply(stack)),
        Step("journal", ("postgres",), make_journal),
    ]


def _start(stack: Stack, part: Component) -> Step:
    def do() -> str:
        part.prepare()
        supervisor.ensure(stack, part.name, part.program())
        _wait_until_healthy(stack, part)
        part.afterwards()
        return "  ".join(filter(None, [part.address(), part.note()]))

    return Step(part.name, part.needs, do)


def _wait_until_healthy(stack: Stack, part: Component) -> None:
    seen: set[int] = set()
    problem: str | None = "it was not asked yet"
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        process = supervisor.processes(stack.layout).get(part.name)
        if process is None:
            raise StackError(f"{part.name} is no longer known to the supervisor. Was `gyre down` run meanwhile? Fix: run `gyre up` again.")
        if process.pid:
            seen.add(process.pid)
        if process.state in {"FATAL", "EXITED", "STOPPED"} or len(seen) > RESTARTS_ALLOWED:
            raise StackError(_death(stack, part, f"does not stay up (state {process.state})"))
        # asked only of a process that is there: an answer could otherwise come from another's server on that port
        problem = part.problem(process.started) if process.pid else f"state {process.state}"
        if problem is None:
            return
        time.sleep(0.2)
    raise StackError(_death(stack, part, f"is not healthy after {PATIENCE:.0f} s: {problem}"))


def _death(stack: Stack, part: Component, what: str) -> str:
    log = stack.layout.log(part.name)
    return f"{part.name} {what}. The end of its log ({log}):\n{steps.last_lines(log)}\nMore: gyre logs {part.name}"


def run_steps(todo: Sequence[Step], say: Say) -> None:
    """Run steps at the same time, each after those it needs; stop at the first failure.

    Raises:
        StackError: The first failure. Steps that run are waited for; those that did not start are left out.
    """
    failed = threading.Event()
    done: dict[str, Future[None]] = {}

    def run(step: Step, needed: list[Future[None]]) -> None:
        wait(needed)
        if failed.is_set() or any(each.exception() for each in needed):
            return
        began = time.monotonic()
        try:
            said = step.do()
        except BaseException:
            failed.set()
            say(f"{step.name:<22} failed; waiting for what else was begun")
            raise
        say(f"{step.name:<22} ready  {time.monotonic() - began:5.1f} s  {said}".rstrip())

    # a thread for each: a waiting step must not keep the place of one it waits for
    with ThreadPoolExecutor(max_workers=len(todo)) as pool:
        remaining = list(todo)
        while remaining:
            startable = [step for step in remaining if all(name in done for name in step.needs)]
            if not startable:
                raise StackError(f"Steps that need one another, or something unknown: {', '.join(step.name for step in remaining)}.")
            for step in startable:
                done[step.name] = pool.submit(run, step, [done[name] for name in step.needs])
                remaining.remove(step)
        try:
            finished, _ = wait(done.values(), return_when=FIRST_EXCEPTION)
        except KeyboardInterrupt:
            # threads cannot be interrupted, and need not be: whatever they have begun, the next `up` takes up again
            os._exit(130)
    for each in finished:
        each.result()
