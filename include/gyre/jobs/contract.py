"""How a job is asked and how it answers, the same for a subprocess and a pod.

A request is a JSON file in the object store; the result is a JSON file beside it, written last. No result file means that the job
failed, whatever its exit code says. Why it gave up is written beside it too, as `error.json`, so that the one who started the job can tell
what a person must mend, and need not try again, from what time may mend. A job that was killed leaves neither.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TypeVar

from gyre import code_bundle
from gyre.clients.object_store import Objects, lake_objects
from gyre.errors import GyreError
from gyre.jobs.failure import FailureClass, classify_error, last_lines
from gyre.settings import settings
from gyre.specs.loading import make_importable
from gyre.specs.requests import Message, Request, Result

log = logging.getLogger("gyre.job")

R = TypeVar("R", bound=Request)


class JobError(Message):
    """Why a job gave up.

    Attributes:
        kind: Class of the error.
        message: Its text, for the person who has to mend it; of an error nobody foresaw, the traceback's last lines.
        failure: What class of failure it is; it says whether trying again may help.
    """

    kind: str
    message: str
    failure: FailureClass


def folder_of(use_case: str, job_id: str) -> str:
    """Folder of a piece of work: request, result and error lie in it."""
    return f"{settings().lake_uri}/{use_case}/jobs/{job_id}"


def request_uri(request: Request) -> str:
    """Where a request lies."""
    return f"{folder_of(request.use_case, request.job_id)}/request.json"


def result_uri(request: str) -> str:
    """Where the result of a request lies."""
    return request.removesuffix("request.json") + "result.json"


def error_uri(request: str) -> str:
    """Where the error of a request lies."""
    return request.removesuffix("request.json") + "error.json"


def main(request_type: type[R], work: Callable[[R], Result | None]) -> None:
    """Run a job from the command line: read the request, do the work, write the result last (None: it is another machine's to write)."""
    signal.signal(signal.SIGTERM, _end)  # the first process of a pod would not hear it otherwise, and hold its GPU for the whole grace period
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout, force=True)
    logging.getLogger("matplotlib").setLevel(logging.WARNING)  # it tells of its font cache
    parser = argparse.ArgumentParser()
    parser.add_argument("--request", required=True, help="URI of the request file")
    uri = parser.parse_args().request
    objects = lake_objects(uri)
    began = time.monotonic()
    try:
        request = request_type.model_validate_json(objects.read(uri))
        if request.code:
            _use_code(objects, request.code)
        result = work(request)
    except Exception as error:  # noqa: BLE001 - whatever it was, the one who asked is told
        _give_up(objects, uri, error)
    if result is None:
        log.info("Done in %.1f s; the result is rank 0's to write.", time.monotonic() - began)
        return
    objects.write(result_uri(uri), result.model_dump_json(indent=1).encode())
    log.info("Done in %.1f s.", time.monotonic() - began)


def _end(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - a signal handler's
    """End as one who is told to: whatever is open is closed, and there is no result."""
    raise SystemExit(128 + number)


def _use_code(objects: Objects, uri: str) -> None:
    """Run the use case's code as the one who asked has it."""
    folder = Path(tempfile.mkdtemp(prefix="gyre-code-")) / "use_cases"
    code_bundle.unpack(objects.read(uri), folder)
    os.environ["GYRE_USE_CASES"] = str(folder)
    make_importable()


def _give_up(objects: Objects, uri: str, error: Exception) -> NoReturn:
    """Leave word of why, in the log and for the one who asked."""
    failure = classify_error(error)
    if isinstance(error, GyreError) or type(error).__module__.startswith("gyre."):
        message = str(error)
        log.error("%s", error)  # its text is for the person who mends it; a traceback would hide it
    else:
        message = last_lines(error)
        log.error("%s: %s", type(error).__name__, error, exc_info=error)
    told = JobError(kind=type(error).__name__, message=message, failure=failure)
    objects.create(error_uri(uri), told.model_dump_json().encode())  # of several machines the first tells why
    raise SystemExit(2) from error


def load(entry_point: str) -> Any:
    """Import a function by its entry point, `package.module:function`."""
    make_importable()
    module, _, name = entry_point.partition(":")
    gc.disable()  # a collection finds nothing while modules are loaded, and costs great_expectations a fifth of its import
    try:
        return getattr(importlib.import_module(module), name)
    finally:
        gc.enable()
