"""Which failures are tried again."""

from __future__ import annotations

import httpx
import psycopg
import pytest

from gyre.errors import BadParameters
from gyre.jobs.failure import Ending, FailureClass, classify_error, last_lines


def caused_by(cause: Exception) -> Exception:
    try:
        try:
            raise cause
        except type(cause) as error:
            raise RuntimeError("the registry did not take it") from error
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ValueError("a column is missing"), FailureClass.USER),
        (FileNotFoundError("model.bin"), FailureClass.USER),
        (BadParameters("no such parameter"), FailureClass.USER),
        (psycopg.ProgrammingError("no such table"), FailureClass.USER),
        (psycopg.OperationalError("the server closed the connection"), FailureClass.INFRASTRUCTURE),
        (ConnectionResetError("peer"), FailureClass.INFRASTRUCTURE),
        (httpx.ConnectTimeout("slow"), FailureClass.INFRASTRUCTURE),
        (caused_by(TimeoutError("no answer")), FailureClass.INFRASTRUCTURE),
        (MemoryError(), FailureClass.MEMORY),
    ],
    ids=lambda value: f"{type(value).__name__}: {value}" if isinstance(value, Exception) else str(value),
)
def test_an_error_is_a_persons_unless_a_machine_or_a_network_caused_it(error, failure):
    assert classify_error(error) is failure


def test_only_what_time_may_mend_is_tried_again():
    assert {each for each in FailureClass if not each.retry} == {FailureClass.USER, FailureClass.DEADLINE, FailureClass.IMAGE}


def test_the_last_lines_hold_the_place_and_the_words():
    lines = last_lines(caused_by(TimeoutError("no answer"))).splitlines()
    assert len(lines) <= 12
    assert lines[-1] == "RuntimeError: the registry did not take it"


def test_a_job_that_has_had_all_the_memory_it_may_have_is_not_tried_again():
    assert Ending(FailureClass.MEMORY, "it used more than it was given").retry
    last = Ending(FailureClass.MEMORY, "it used the most it may have", final=True)
    assert not last.retry
    assert "raise `resources.max_memory_mb`" in last.advice
