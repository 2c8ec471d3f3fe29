"""Classes of failure: what went wrong, whether trying again may help, and what to do. Pure, for a process and for a pod alike.

| class          | what it is                                                | tried again               |
|----------------|-----------------------------------------------------------|---------------------------|
| user           | the code, the data or the spec: a person mends it         | no                        |
| infrastructure | a machine, a network, a server that did not answer        | yes                       |
| memory         | more memory was used than was given                       | yes, with more, to a cap  |
| evicted        | the machine was needed for something else, or went away   | yes, from its checkpoint  |
| deadline       | it ran longer than `timeout`                              | no                        |
| image          | its image cannot be had                                   | no                        |
| no_result      | it ended well and left no result                          | yes                       |
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from gyre.errors import GyreError, LabelStudioUnreachable

LAST_LINES = 12

# Modules whose errors are a server's or a network's. Python's own network errors are OSErrors.
CLIENTS = frozenset({"httpx", "httpcore", "requests", "urllib3", "obstore", "botocore", "confluent_kafka", "grpc"})
# A database driver's errors are of both kinds; of these names (PEP 249) they are the server's or the network's.
DRIVERS = frozenset({"psycopg", "adbc_driver_manager"})
OF_A_SERVER = frozenset({"OperationalError", "InterfaceError"})
# OSErrors that say something about files, not about a machine
ABOUT_FILES = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)


class FailureClass(StrEnum):
    """What class of failure ended a job."""

    USER = "user"
    INFRASTRUCTURE = "infrastructure"
    MEMORY = "memory"
    EVICTED = "evicted"
    DEADLINE = "deadline"
    IMAGE = "image"
    NO_RESULT = "no_result"

    @property
    def retry(self) -> bool:
        """Whether trying again may help."""
        return self not in {FailureClass.USER, FailureClass.DEADLINE, FailureClass.IMAGE}

    @property
    def advice(self) -> str:
        """What to do."""
        return ADVICE[self]


ADVICE = {
    FailureClass.USER: "It is not tried again: mend the code, the data or the spec, then clear the task.",
    FailureClass.INFRASTRUCTURE: "It is tried again; if that does not help, see whether the servers it names are up.",
    FailureClass.MEMORY: "It is tried again with more memory, up to `resources.max_memory_mb`; if that is not enough, raise it or read less at once.",
    FailureClass.EVICTED: "It is tried again, and training goes on from its last checkpoint; a higher `placement.priority_class` makes it rarer.",
    FailureClass.DEADLINE: "It is not tried again: raise `timeout` if it needs that long, or find out why it hangs; then clear the task.",
    FailureClass.IMAGE: "It is not tried again: build or push the image, or correct the GYRE_IMAGE_ settings; then clear the task.",
    FailureClass.NO_RESULT: "It is tried again. A program that ends without its result was ended from outside, or ends itself (sys.exit, os._exit).",
}
NO_MORE_MEMORY = "It is not tried again: raise `resources.max_memory_mb`, or read less at once; then clear the task."


@dataclass(frozen=True)
class Ending:
    """How a job ended that left neither a result nor word of an error.

    Attributes:
        why: What was seen from outside.
        final: It is not tried again, though its class would be: there is no more memory to give.
    """

    failure: FailureClass
    why: str
    final: bool = False

    @property
    def retry(self) -> bool:
        """Whether trying again may help."""
        return self.failure.retry and not self.final

    @property
    def advice(self) -> str:
        """What to do."""
        return NO_MORE_MEMORY if self.final else self.failure.advice


def classify_error(error: BaseException) -> FailureClass:
    """Say what class of failure an exception is, by what it is and what caused it."""
    if isinstance(error, GyreError):
        return FailureClass.USER
    for cause in _causes(error):
        if isinstance(cause, MemoryError):
            return FailureClass.MEMORY
        if isinstance(cause, LabelStudioUnreachable) or _is_a_machines(cause):
            return FailureClass.INFRASTRUCTURE
    return FailureClass.USER


def last_lines(error: BaseException) -> str:
    """Give the end of a traceback: where it happened, and what was said."""
    lines = "".join(traceback.format_exception(error)).rstrip().splitlines()
    return "\n".join(lines[-LAST_LINES:])


def _is_a_machines(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return not isinstance(error, ABOUT_FILES)
    module = type(error).__module__.partition(".")[0]
    return module in CLIENTS or (module in DRIVERS and not OF_A_SERVER.isdisjoint(each.__name__ for each in type(error).__mro__))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Walk from an error to what it came from."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
