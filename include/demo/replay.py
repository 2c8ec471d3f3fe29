"""Play a company's data through the whole loop: flights and digits beside each other, for neither knows of the other.

A replay that was stopped goes on where it was, and one that was finished only prints its tables again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack
from threading import Event
from typing import Any

from demo import digits_replay, flights_replay, summary
from demo.company import Company
from demo.scanner import Scanner
from gyre.connections import ask_also
from gyre.journal import Journal
from gyre.settings import settings
from gyre.stack.airflow_api import AirflowApi


def together(plays: list[Callable[[], None]], stopped: Event) -> None:
    """Run replays beside each other; the first that fails stops the others, and is what is raised."""
    with ThreadPoolExecutor(len(plays)) as pool:
        try:
            running = [pool.submit(play) for play in plays]
            ended, _ = wait(running, return_when=FIRST_EXCEPTION)
        finally:
            stopped.set()  # a pool waits for its threads
    for each in ended:
        each.result()


def main(only: str | None = None) -> None:
    """Play on the local stack and print what happened.

    Args:
        only: One use case's name, to play it alone.
    """
    from gyre.stack.airflow_settings import local_connections
    from gyre.stack.postgres import superuser_connection

    connections, here = local_connections(), settings()
    ask_also(connections.get)  # the traffic reads the lake
    began, stopped = time.monotonic(), Event()
    with ExitStack() as opened:

        def driven(use_case: str) -> dict[str, Any]:
            airflow = opened.enter_context(AirflowApi.local())
            journal = Journal(connections["gyre_journal"].postgres_uri)
            return {"use_case": use_case, "airflow": airflow, "journal": journal, "endpoint": here.url("envoy"), "stopped": stopped, "began": began}

        company, scanner = Company(connections, superuser_connection()), Scanner(here.home / "demo" / "scanner", connections["company_bucket"])
        replays: list[flights_replay.FlightsReplay | digits_replay.DigitsReplay] = [
            flights_replay.FlightsReplay(**driven(flights_replay.USE_CASE), company=company),
            digits_replay.DigitsReplay(**driven(digits_replay.USE_CASE), scanner=scanner),
        ]
        played = [replay for replay in replays if only in (None, replay.use_case)]
        together([replay.play for replay in played], stopped)
    for replay in played:
        summary.show(replay.journal, replay.use_case)
    summary.farewell([replay.use_case for replay in played], time.monotonic() - began)
