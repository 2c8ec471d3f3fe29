"""Gyre's accounts in a namespace of their own, as the Helm chart makes them, and a way to sign in as one of them."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gyre.settings import REPOSITORY

CHART = REPOSITORY / "helm" / "gyre"
HOURS_2 = 7200


def helm(*arguments: str) -> str:
    """Run Helm against the cluster and give what it printed."""
    program = shutil.which(os.environ.get("HELM") or "helm")
    if program is None:
        pytest.fail("Gyre's accounts are installed with Helm, which is not on the PATH. Fix: install it, or let HELM name its binary.")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, f"helm {' '.join(arguments)}: {done.stderr}"
    return done.stdout


@contextmanager
def installed(*values: str) -> Iterator[str]:
    """Make a namespace that lets no privileged pod in, install the chart there, and remove both.

    Args:
        values: `name=value` for the chart, as JSON.
    """
    from kubernetes import client, config

    config.load_kube_config()
    namespaces, name = client.CoreV1Api(), f"gyre-test-{secrets.token_hex(3)}"
    labels = {"app.kubernetes.io/part-of": "gyre-tests", "pod-security.kubernetes.io/enforce": "restricted"}
    namespaces.create_namespace({"metadata": {"name": name, "labels": labels}})
    try:
        helm("install", "gyre", str(CHART), "--namespace", name, *(word for value in values for word in ("--set-json", value)))
        yield name
        helm("uninstall", "gyre", "--namespace", name)
    finally:
        namespaces.delete_namespace(name)


def kubeconfig_of(namespace: str, account: str) -> str:
    """A kubeconfig that signs in as a service account, at the server that this process's own names."""
    from kubernetes import client, config

    config.load_kube_config()
    asked = {"spec": {"expirationSeconds": HOURS_2}}
    token = client.CoreV1Api().create_namespaced_service_account_token(account, namespace, asked).status.token
    here = client.Configuration.get_default_copy()
    server = {"server": here.host, "certificate-authority-data": base64.b64encode(Path(here.ssl_ca_cert).read_bytes()).decode()}
    written = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": server}],
        "users": [{"name": account, "user": {"token": token}}],
        "contexts": [{"name": account, "context": {"cluster": "tests", "user": account, "namespace": namespace}}],
        "current-context": account,
    }
    return json.dumps(written)
