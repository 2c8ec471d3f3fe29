"""Passwords and keys of the local stack: generated once, kept in one file that only its owner may read."""

from __future__ import annotations

import base64
import json
import os
import secrets as random
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from gyre.errors import StackError
from gyre.layout import write_private


def _password() -> str:
    return random.token_hex(16)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def _long_key() -> str:
    return random.token_hex(48)


@dataclass(frozen=True, repr=False)
class Secrets:
    """Everything secret in the stack. Its repr shows nothing."""

    postgres_superuser: str = field(default_factory=_password)
    postgres_airflow: str = field(default_factory=_password)
    postgres_mlflow: str = field(default_factory=_password)
    postgres_gyre: str = field(default_factory=_password)
    postgres_company: str = field(default_factory=_password)
    s3_key: str = field(default_factory=lambda: "GYRE" + random.token_hex(8).upper())
    s3_secret: str = field(default_factory=_password)
    s3_signing: str = field(default_factory=_long_key)
    airflow_admin: str = field(default_factory=lambda: random.token_urlsafe(12))
    airflow_viewer: str = field(default_factory=lambda: random.token_urlsafe(12))
    airflow_fernet: str = field(default_factory=_fernet_key)
    airflow_api: str = field(default_factory=_long_key)
    airflow_jwt: str = field(default_factory=_long_key)
    label_studio_password: str = field(default_factory=lambda: random.token_urlsafe(12))
    label_studio_token: str = field(default_factory=lambda: random.token_hex(20))  # a token of Django's REST framework has 40 digits
    label_studio_key: str = field(default_factory=_long_key)
    label_studio_webhook: str = field(default_factory=_long_key)
    label_studio_annotators: str = field(default_factory=_long_key)


def load(path: Path) -> Secrets:
    """Read the secrets of a stack that was started before.

    Raises:
        StackError: If there is none, or the file is not what was written.
    """
    if not path.exists():
        raise StackError(f"No stack in {path.parent}: it was never started. Fix: run `make up`.")
    try:
        given = json.loads(path.read_text())
    except ValueError as error:
        raise StackError(f"{path} is not readable JSON ({error}). Fix: restore it, or start over with `make clean up`.") from error
    known = {each.name for each in fields(Secrets)}
    return Secrets(**{name: value for name, value in given.items() if name in known})


def load_or_create(path: Path) -> Secrets:
    """Read the secrets; what a newer version needs and the file lacks is generated and added."""
    secrets = load(path) if path.exists() else Secrets()
    write_private(path, json.dumps(asdict(secrets), indent=2) + "\n")
    return secrets
