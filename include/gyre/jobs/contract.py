"""How a job is asked and how it answers, the same for a subprocess and a pod.

A request is a JSON file in the object store; the result is a JSON file beside it, written last. No result file means that the job
failed, whatever its exit code says. An error that a person must mend (a GyreError) is written beside it too, as `error.json`, so that
the one who started the job can tell it from a machine's failure and need not try again; so is one that time may mend, which is tried again.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import logging
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

from gyre.clients.object_store import lake_objects
from gyre.errors import GyreError, LabelStudioUnreachable
from gyre.settings import settings
from gyre.specs.loading import make_importable
from gyre.specs.requests import Message, Request, Result

log = logging.getLogger("gyre.job")

R = TypeVar("R", bound=Request)


class JobError(Message):
    """Why a job gave up.

    Attributes:
        kind: Class of the error.
        message: Its text, for the person who has to mend it.
        retry: Whether trying again may help.
    """

    kind: str
    message: str
    retry: bool


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


def main(request_type: type[R], work: Callable[[R], Result]) -> None:
    """Run a job from the command line: read the request, do the work, write the result last."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout, force=True)
    parser = argparse.ArgumentParser()
    parser.add_argument("--request", required=True, help="URI of the request file")
    uri = parser.parse_args().request
    objects = lake_objects(uri)
    request = request_type.model_validate_json(objects.read(uri))
    began = time.monotonic()
    try:
        result = work(request)
    except (GyreError, LabelStudioUnreachable) as error:
        told = JobError(kind=type(error).__name__, message=str(error), retry=not isinstance(error, GyreError))
        objects.write(error_uri(uri), told.model_dump_json().encode())
        log.error("%s", error)  # noqa: TRY400 - its text is for the person who mends it; a traceback would hide it
        raise SystemExit(2) from error
    objects.write(result_uri(uri), result.model_dump_json(indent=1).encode())
    log.info("Done in %.1f s.", time.monotonic() - began)


def load(entry_point: str) -> Any:
    """Import a function by its entry point, `package.module:function`."""
    make_importable()
    module, _, name = entry_point.partition(":")
    gc.disable()  # a collection finds nothing while modules are loaded, and costs great_expectations a fifth of its import
    try:
        return getattr(importlib.import_module(module), name)
    finally:
        gc.enable()
