"""Pods as this folder's tests make them by hand."""

from __future__ import annotations

from gyre.settings import settings

CONFINED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}


def pod(name: str, code: str = "", environment: dict[str, str] | None = None, secret: str | None = None, **metadata: object) -> dict:
    """A pod that runs a few lines of Python in the image of tabular jobs, confined as the restricted profile wants it."""
    container = {
        "name": "job",
        "image": settings().image("tabular"),
        "command": ["python", "-u", "-c", code],
        "env": [{"name": key, "value": value} for key, value in (environment or {}).items()],
        "envFrom": [{"secretRef": {"name": secret}}] if secret else [],
        "securityContext": CONFINED,
    }
    spec = {
        "serviceAccountName": "gyre-job",
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": spec}
