"""What a job that gives up leaves for the one who asked."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from gyre.errors import LabelStudioRefused, LabelStudioUnreachable
from gyre.jobs.contract import main
from gyre.specs.label_messages import CollectRequest, CollectResult


@pytest.mark.parametrize(
    ("error", "retry"),
    [(LabelStudioUnreachable("Label Studio at http://x cannot be asked"), True), (LabelStudioRefused("no such token"), False)],
    ids=["time may mend it", "a person must mend it"],
)
def test_an_error_says_whether_trying_again_may_help(tmp_path, monkeypatch, error, retry):
    about = {"job": "collect", "job_id": "c", "use_case": "letters", "environment": "tabular", "connections": []}
    request = CollectRequest(**about, start="2024-01-01T00:00:00Z", end="2024-01-02T00:00:00Z")
    (tmp_path / "request.json").write_text(request.model_dump_json())
    monkeypatch.setattr(sys, "argv", ["job", "--request", f"file://{tmp_path}/request.json"])

    def work(asked: CollectRequest) -> CollectResult:
        raise error

    with pytest.raises(SystemExit):
        main(CollectRequest, work)
    told: dict[str, Any] = json.loads((tmp_path / "error.json").read_text())
    assert told == {"kind": type(error).__name__, "message": str(error), "retry": retry}
    assert not (tmp_path / "result.json").exists()
