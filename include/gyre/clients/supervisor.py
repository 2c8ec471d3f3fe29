"""Supervisor: one program file for each served version, and the supervisor told to run what the files say."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from gyre.errors import StackError

MARK = "; gyre: "  # first line of a program file: what it runs, for us to read back


@dataclass(frozen=True)
class Program:
    """One program.

    Attributes:
        name: `flight_delay-3`.
        facts: What the writer wants to read back from the file.
    """

    name: str
    command: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str]
    log: Path
    facts: Mapping[str, Any]

    def render(self) -> str:
        """Write the program's file."""
        environment = ",".join(f"{key}={_quoted(value)}" for key, value in sorted(self.environment.items()))
        lines = {
            "command": _escaped(shlex.join(self.command)),
            "directory": _escaped(str(self.directory)),
            "environment": environment,
            "autostart": "true",  # what served before the supervisor was stopped serves again when it starts
            "autorestart": "true",
            "startsecs": "1",
            "startretries": "5",
            "stopasgroup": "true",
            "killasgroup": "true",
            "stopwaitsecs": "15",
            "redirect_stderr": "true",
            "stdout_logfile": _escaped(str(self.log)),
            "stdout_logfile_maxbytes": "10MB",
            "stdout_logfile_backups": "2",
        }
        facts = json.dumps(dict(self.facts), sort_keys=True)
        return f"{MARK}{facts}\n[program:{self.name}]\n" + "".join(f"{key}={value}\n" for key, value in lines.items())


@dataclass(frozen=True)
class Supervisor:
    """The supervisor of one stack.

    Attributes:
        socket: Where it answers.
        folder: Its program files.
    """

    socket: Path
    folder: Path

    def programs(self) -> dict[str, dict[str, Any]]:
        """Read the facts of every program file, by program name."""
        found = {}
        for path in sorted(self.folder.glob("*.conf")):
            first = path.read_text().partition("\n")[0]
            if first.startswith(MARK):
                found[path.stem] = dict(json.loads(first.removeprefix(MARK)))
        return found

    def run(self, program: Program) -> None:
        """Have a program run as it is written now: started, or restarted if its file changed.

        Raises:
            StackError: If the supervisor does not answer or cannot start it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        program.log.parent.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f".{program.name}.{os.getpid()}.partial"
        partial.write_text(program.render())
        partial.replace(self.folder / f"{program.name}.conf")
        ((added, changed, _),) = self._call("reloadConfig")
        if program.name in changed:
            self._take_out(program.name)
        if program.name in changed or program.name in added:
            self._call("addProcessGroup", program.name, but="ALREADY_ADDED")  # starts it: autostart
        if self.states().get(program.name) not in {"STARTING", "RUNNING", "BACKOFF"}:
            self._call("startProcess", program.name, False, but="ALREADY_STARTED")

    def remove(self, name: str) -> None:
        """Stop a program, and forget it."""
        (self.folder / f"{name}.conf").unlink(missing_ok=True)
        if name in self.states():
            self._take_out(name)

    def states(self) -> dict[str, str]:
        """Give each program's state: STARTING, RUNNING, BACKOFF, STOPPED, EXITED, FATAL."""
        return {str(each["name"]): str(each["statename"]) for each in self._call("getAllProcessInfo")}

    def _take_out(self, name: str) -> None:
        self._call("stopProcess", name, True, but="NOT_RUNNING")
        self._call("removeProcessGroup", name, but="BAD_NAME")

    def _call(self, method: str, *arguments: object, but: str = "") -> Any:
        """Ask the supervisor; a fault named `but` is no fault."""
        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport(None, None, f"unix://{self.socket}")
        try:
            with ServerProxy("http://supervisor", transport=transport) as server:
                return getattr(server.supervisor, method)(*arguments)
        except Fault as fault:
            if but and but in fault.faultString:
                return None
            raise StackError(f"The supervisor refuses {method} {' '.join(map(str, arguments))}: {fault.faultString}") from fault
        except OSError as error:
            raise StackError(f"The supervisor does not answer at {self.socket} ({error}). Fix: `gyre up`.") from error


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(value: str) -> str:
    """Write a value for `environment=`: the supervisor knows quotes, but no escapes."""
    for quote in ('"', "'"):
        if quote not in value and "\n" not in value:
            return quote + _escaped(value) + quote
    raise StackError(f"A program's environment cannot hold both kinds of quotes or a line break: {value!r}.")
