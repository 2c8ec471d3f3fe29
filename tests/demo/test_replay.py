"""Two replays beside each other: what happens to one when the other fails."""

from threading import Event

import pytest

from demo.replay import together


def test_the_first_failure_stops_the_other_replay_and_is_what_is_told():
    stopped, told = Event(), []

    def fails() -> None:
        raise ValueError("the camera is broken")

    def waits() -> None:
        told.append(stopped.wait(30))
        raise TimeoutError("stopped while waiting")

    with pytest.raises(ValueError, match="the camera is broken"):
        together([waits, fails], stopped)
    assert told == [True]


def test_both_are_played_to_their_ends():
    played = []
    together([lambda: played.append("flights"), lambda: played.append("digits")], Event())
    assert sorted(played) == ["digits", "flights"]
