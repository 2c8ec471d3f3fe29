"""The supervisor: one supervisord for each stack, told what to run by files, asked over a unix socket."""

from __future__ import annotations

import http.client
import shlex
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from gyre.errors import StackError
from gyre.layout import Layout, write_private
from gyre.stack import steps
from gyre.stack.component import Program
from gyre.stack.context import Stack, base_environment

UNREACHABLE = (OSError, http.client.HTTPException)
_configuration = threading.Lock()  # components start in parallel; the configuration is read anew by one at a time


@dataclass(frozen=True)
class Process:
    """What the supervisor knows of one server."""

    name: str
    state: str
    pid: int
    started: float


def _quoted(value: str) -> str:
    """A value for supervisor's `environment=`: it knows quotes, but no escapes."""
    for quote in ('"', "'"):
        if quote not in value and "\n" not in value:
            return quote + value.replace("%", "%%") + quote
    raise StackError(f"A GYRE_ variable cannot hold both kinds of quotes or a line break: {value!r}.")


def render(name: str, program: Program, layout: Layout) -> str:
    """The supervisor's configuration of one program."""
    environment = ",".join(f"{key}={_quoted(value)}" for key, value in sorted(program.environment.items()))
    lines = {
        "command": shlex.join(program.command).replace("%", "%%"),
        "directory": str(program.directory).replace("%", "%%"),
        "environment": environment,
        "user": program.user,
        "autostart": "false",  # `gyre up` starts each when what it needs is healthy
        "autorestart": "true",
        "startsecs": 2,
        "startretries": 5,
        "stopsignal": program.stop_signal,
        "stopasgroup": str(program.stop_as_group).lower(),
        "killasgroup": "true",
        "stopwaitsecs": program.stop_seconds,
        "redirect_stderr": "true",
        "stdout_logfile": str(layout.log(name)).replace("%", "%%"),
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": 2,
    }
    return f"[program:{name}]\n" + "".join(f"{key}={value}\n" for key, value in lines.items() if value)


def main_configuration(layout: Layout) -> str:
    """The supervisor's own configuration."""
    # relative paths: supervisor splits `files` at spaces
    return f"""[supervisord]
logfile={str(layout.log("supervisord")).replace("%", "%%")}
logfile_maxbytes=5MB
logfile_backups=1
pidfile={str(layout.supervisor / "supervisord.pid").replace("%", "%%")}
silent=true
[unix_http_server]
file={str(layout.supervisor_socket).replace("%", "%%")}
chmod=0700
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[include]
files=conf.d/*.conf ../serving/conf.d/*.conf
"""


def call(layout: Layout, method: str, *arguments: object) -> Any:
    """Ask supervisord. A connection for each call: they come from several threads."""
    transport = SupervisorTransport(None, None, f"unix://{layout.supervisor_socket}")
    with ServerProxy("http://supervisor", transport=transport) as server:
        return getattr(server.supervisor, method)(*arguments)


def is_running(layout: Layout) -> bool:
    """Whether this stack's supervisord answers."""
    try:
        return bool(call(layout, "getState")["statename"] == "RUNNING")
    except UNREACHABLE:
        return False


def start(stack: Stack) -> None:
    """Start supervisord, unless it runs. In a session of its own: closing the terminal must not end the stack."""
    layout = stack.layout
    write_private(layout.supervisor / "supervisord.conf", main_configuration(layout))
    if is_running(layout):
        return
    with layout.log("supervisord-start").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "-c", str(layout.supervisor / "supervisord.conf")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=layout.supervisor,
            env=base_environment(stack),
        )
    write_private(layout.supervisor_session, f"{process.pid}\n")
    for _ in range(200):
        if is_running(layout):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise StackError(f"supervisord did not start:\n{steps.last_lines(layout.log('supervisord-start'))}")


def processes(layout: Layout) -> dict[str, Process]:
    """Every program supervisord knows, by name; empty when it does not run."""
    try:
        listed = call(layout, "getAllProcessInfo")
    except UNREACHABLE:
        return {}
    return {each["name"]: Process(each["name"], each["statename"], each["pid"], float(each["start"])) for each in listed}


def ensure(stack: Stack, name: str, program: Program) -> None:
    """Have a program run as configured now: start it, or restart it if its configuration changed."""
    layout = stack.layout
    with _configuration:
        write_private(layout.supervisor / "conf.d" / f"{name}.conf", render(name, program, layout))
        ((added, changed, _),) = call(layout, "reloadConfig")
        if name in changed:
            stop(layout, [name])
            call(layout, "removeProcessGroup", name)
        if name in changed or name in added:
            call(layout, "addProcessGroup", name)
    try:
        call(layout, "startProcess", name, False)
    except Fault as fault:
        if "ALREADY_STARTED" not in fault.faultString:
            raise StackError(f"{name} cannot be started: {fault.faultString}") from fault


def stop(layout: Layout, names: list[str], timeout: float = 60) -> None:
    """Stop programs, all at once, and wait until they are gone."""
    for name in names:
        try:
            call(layout, "stopProcess", name, False)
        except Fault as fault:
            if "NOT_RUNNING" not in fault.faultString and "BAD_NAME" not in fault.faultString:
                raise StackError(f"{name} cannot be stopped: {fault.faultString}") from fault
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        known = processes(layout)
        if not any(known[name].state in {"STARTING", "RUNNING", "STOPPING", "BACKOFF"} for name in names if name in known):
            return
        time.sleep(0.1)
