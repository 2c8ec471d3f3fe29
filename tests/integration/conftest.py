"""The real local stack, started once for a test session beside any stack of the developer's own, and removed after it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gyre.stack.airflow_api import AirflowApi
from tests.running_stack import RunningStack, running_stack

PORT_BASE = "18000"  # below the ports that systems give to clients


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """The whole stack, on this machine alone."""
    with running_stack({"GYRE_PORT_BASE": PORT_BASE}) as running:
        yield running


@pytest.fixture(scope="session")
def airflow(stack: RunningStack) -> Iterator[AirflowApi]:
    """Airflow's REST API, signed in as the stack's administrator."""
    with AirflowApi.local() as api:
        yield api
