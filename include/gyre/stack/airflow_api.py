"""A small client of Airflow's REST API, for the command line, the demo and the tests; DAGs use Airflow itself."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from gyre.errors import StackError
from gyre.stack.context import Stack

FINISHED = frozenset({"success", "failed"})


class AirflowApi:
    """Signed in to one Airflow.

    with AirflowApi.local() as airflow:
        run_id = airflow.trigger("flight_delay__ingest", {"start": "2013-01-01"})
        assert airflow.wait("flight_delay__ingest", run_id) == "success"
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        # no proxy of the environment: it is this machine's own
        self._http = httpx.Client(base_url=url, timeout=60, trust_env=False)
        self._credentials = {"username": user, "password": password}
        self._sign_in()

    @classmethod
    def local(cls, stack: Stack | None = None, user: str = "admin") -> AirflowApi:
        """The local stack's Airflow, as `admin` or `viewer`."""
        stack = stack or Stack.open()
        return cls(stack.settings.url("airflow"), user, stack.secrets.airflow_admin if user == "admin" else stack.secrets.airflow_viewer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.close()

    def _sign_in(self) -> None:
        try:
            response = self._http.post("/auth/token", json=self._credentials)
        except httpx.HTTPError as error:
            raise StackError(f"Airflow does not answer at {self._http.base_url} ({type(error).__name__}). Fix: run `make up`.") from error
        if response.status_code != 201:
            raise StackError(f"Airflow refuses the user '{self._credentials['username']}': {response.status_code} {response.text[:200]}")
        self._http.headers["Authorization"] = f"Bearer {response.json()['access_token']}"

    def request(self, method: str, path: str, accept: frozenset[int] = frozenset(), **options: Any) -> httpx.Response:
        """Call `/api/v2` + path. Raises StackError with Airflow's own words, unless the status is in `accept`."""
        try:
            response = self._http.request(method, f"/api/v2{path}", **options)
            if response.status_code == 401:  # the token's day is over
                self._sign_in()
                response = self._http.request(method, f"/api/v2{path}", **options)
        except httpx.HTTPError as error:
            raise StackError(f"Airflow does not answer {method} {path}: {type(error).__name__} {error}") from error
        if response.is_error and response.status_code not in accept:
            raise StackError(f"Airflow answers {response.status_code} to {method} {path}: {response.text[:500]}")
        return response

    def dags(self) -> list[dict[str, Any]]:
        """Every DAG, paused or not."""
        return self._all("/dags", "dags")

    def _all(self, path: str, key: str, **query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            page = self.request("GET", path, params={"limit": 100, "offset": len(found), **query}).json()
            found += page[key]
            if not page[key] or len(found) >= page["total_entries"]:
                return found

    def import_errors(self) -> dict[str, str]:
        """What Airflow could not parse: the error's text, by file."""
        return {each["filename"]: each["stack_trace"] for each in self._all("/importErrors", "import_errors")}

    def unpause(self, dag_id: str) -> None:
        """Let a DAG run."""
        self.request("PATCH", f"/dags/{dag_id}", json={"is_paused": False})

    def pause(self, dag_id: str) -> None:
        """Keep a DAG from running."""
        self.request("PATCH", f"/dags/{dag_id}", json={"is_paused": True})

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, run_id: str | None = None) -> str:
        """Start a run and return its id. A run of the given id that exists already is not started again."""
        body = {"logical_date": None, "conf": dict(conf or {})} | ({"dag_run_id": run_id} if run_id else {})
        response = self.request("POST", f"/dags/{dag_id}/dagRuns", frozenset({409}) if run_id else frozenset(), json=body)
        return run_id or str(response.json()["dag_run_id"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The runs of a DAG, oldest first."""
        return self._all(f"/dags/{dag_id}/dagRuns", "dag_runs", order_by="run_after")

    def run_state(self, dag_id: str, run_id: str) -> str:
        """`queued`, `running`, `success` or `failed`."""
        return str(self.request("GET", f"/dags/{dag_id}/dagRuns/{_quoted(run_id)}").json()["state"])

    def wait(self, dag_id: str, run_id: str, timeout: float = 600, interval: float = 0.5) -> str:
        """Wait for a run's end and return its state.

        Raises:
            StackError: If it has not ended in time; with the states of its tasks.
        """
        deadline = time.monotonic() + timeout
        while (state := self.run_state(dag_id, run_id)) not in FINISHED:
            if time.monotonic() > deadline:
                raise StackError(f"{dag_id} run {run_id} is still {state} after {timeout:.0f} s; its tasks: {self.task_states(dag_id, run_id)}")
            time.sleep(interval)
        return state

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """What Airflow knows of a run's tasks."""
        return self._all(f"/dags/{dag_id}/dagRuns/{_quoted(run_id)}/taskInstances", "task_instances")

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """State of each task of a run, by task id (`task[3]` for a mapped one)."""
        return {each["task_id"] + (f"[{each['map_index']}]" if each["map_index"] >= 0 else ""): each["state"] for each in self.task_instances(dag_id, run_id)}

    def logs(self, dag_id: str, run_id: str, task_id: str, attempt: int = 1, map_index: int = -1) -> str:
        """What a task's attempt wrote, as text; nothing, if it never ran."""
        path = f"/dags/{dag_id}/dagRuns/{_quoted(run_id)}/taskInstances/{task_id}/logs/{attempt}"
        answer = self.request("GET", path, frozenset({404}), params={"map_index": map_index}, headers={"accept": "application/json"}).json()
        lines = [line if isinstance(line, str) else _log_line(line) for line in answer.get("content") or []]
        return "\n".join(lines)

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """What a task returned."""
        path = f"/dags/{dag_id}/dagRuns/{_quoted(run_id)}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.request("GET", path).json()["value"]


def _quoted(run_id: str) -> str:
    return quote(run_id, safe="")  # run ids hold `+` and `:`


def _log_line(line: dict[str, Any]) -> str:
    rest = {key: value for key, value in line.items() if key not in {"timestamp", "event", "level", "logger", "filename", "lineno"}}
    return " ".join(str(part) for part in (line.get("timestamp"), line.get("level"), line.get("event"), rest or None) if part)
