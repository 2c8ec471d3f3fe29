"""When the story of the digits may go on: once people have answered everything, whatever Label Studio's own counter says."""

from __future__ import annotations

from types import SimpleNamespace

import httpx
import pytest

from demo.annotators import PROJECT
from demo.digits_replay import DigitsReplay


def replay(tasks: int, waiting: int) -> DigitsReplay:
    """A replay whose platform has collected so many tasks, of which so many wait."""
    told = object.__new__(DigitsReplay)
    told.annotators = SimpleNamespace(poll=lambda: None)
    told.entries = lambda *kinds: [SimpleNamespace(body={"tasks": tasks, "waiting": waiting})]
    return told


def label_studio(tasks: int, finished: int, status: int = 200) -> httpx.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/projects/":
            return httpx.Response(200, json={"results": [{"id": 1, "title": PROJECT}]})
        return httpx.Response(status, json={"task_number": tasks, "finished_task_number": finished})

    return httpx.Client(transport=httpx.MockTransport(answer), base_url="http://studio")


@pytest.mark.parametrize(
    ("collected", "counted", "goes_on"),
    [((730, 12), (730, 730), True), ((730, 0), (730, 729), True), ((730, 1), (730, 729), False), ((620, 0), (730, 729), False)],
    ids=["all are counted", "one was not counted, and the platform has all", "one waits", "the platform has not looked yet"],
)
def test_it_goes_on_when_all_is_answered(collected, counted, goes_on):
    assert replay(*collected)._nothing_waits(label_studio(*counted)) is goes_on


def test_a_server_that_is_busy_is_asked_again_later():
    assert replay(730, 1)._nothing_waits(label_studio(730, 730, status=500)) is False
