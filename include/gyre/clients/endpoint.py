"""A served version's own HTTP interface, as the deployment tries it out before anyone else may."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

import httpx

REPLAY = {"x-gyre-replay": "1"}  # the service keeps no record of such a request


@dataclass(frozen=True)
class Endpoint:
    """Where one version answers.

    Attributes:
        url: `http://127.0.0.1:28900`.
        timeout_s: For each request.
    """

    url: str
    timeout_s: float = 20

    def is_ready(self) -> bool:
        """Tell whether the model is loaded and requests are answered."""
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it is asked again and again
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2, trust_env=False).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def schema(self) -> dict[str, Any]:
        """Ask what `/predict` takes."""
        return dict(self._json(httpx.get(f"{self.url}/schema", timeout=self.timeout_s, trust_env=False)))

    def predict(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Ask for predictions that are not recorded.

        Raises:
            httpx.HTTPError: If it does not answer, or refuses.
        """
        with httpx.Client(timeout=self.timeout_s, trust_env=False, headers=REPLAY) as client:
            return dict(self._json(client.post(f"{self.url}/predict", json={"rows": rows})))

    def milliseconds(self, row: dict[str, Any], times: int) -> list[float]:
        """Measure how long one row takes, over one connection."""
        taken = []
        with httpx.Client(timeout=self.timeout_s, trust_env=False, headers=REPLAY) as client:
            for _ in range(times):
                began = time.perf_counter()
                self._json(client.post(f"{self.url}/predict", json={"rows": [row]}))
                taken.append((time.perf_counter() - began) * 1000)
        return taken

    @staticmethod
    def _json(response: httpx.Response) -> Any:
        response.raise_for_status()
        return response.json()
