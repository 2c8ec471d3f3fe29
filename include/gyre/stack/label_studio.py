"""Label Studio, where people label: served by gunicorn, its records in SQLite here, in PostgreSQL where a full one is given.

The PostgreSQL of this stack comes from a wheel without `pg_trgm`, which Label Studio's migrations want; `GYRE_CONN_GYRE_LABELSTUDIO_DB`
(a connection as JSON) names one that has it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

from gyre.connections import Connection, variable_of
from gyre.errors import StackError
from gyre.layout import write_private
from gyre.stack import environments, steps
from gyre.stack.component import Component, Program, http_problem
from gyre.stack.context import Stack

EMAIL = "admin@gyre.local"
DATABASE = "gyre_labelstudio_db"
SETUP = Path(__file__).with_name("label_studio_setup.py")


def given_database(stack: Stack) -> Connection | None:
    """The PostgreSQL it was given, if any."""
    text = stack.settings.environ.get(variable_of(DATABASE))
    return Connection.from_json(DATABASE, text) if text else None


def _database_environment(stack: Stack, sqlite: Path) -> dict[str, str]:
    given = given_database(stack)
    if given is None:
        return {"LABEL_STUDIO_DJANGO_DB": "sqlite", "LABEL_STUDIO_DATABASE_NAME": str(sqlite)}
    return {
        "LABEL_STUDIO_DJANGO_DB": "default",
        "LABEL_STUDIO_POSTGRE_HOST": given.host or "",
        "LABEL_STUDIO_POSTGRE_PORT": str(given.port or 5432),
        "LABEL_STUDIO_POSTGRE_NAME": given.schema or "",
        "LABEL_STUDIO_POSTGRE_USER": given.login or "",
        "LABEL_STUDIO_POSTGRE_PASSWORD": given.password or "",
    }


def environment(stack: Stack, sqlite: Path | None = None) -> dict[str, str]:
    """What Label Studio gets. With its own prefix: it would otherwise take a person's `DEBUG`, `CI` or `HOST` for its settings."""
    off = ("COLLECT_ANALYTICS", "LATEST_VERSION_CHECK", "DEBUG", "CI", "LOCAL_FILES_SERVING_ENABLED")
    return {
        "DJANGO_SETTINGS_MODULE": "core.settings.label_studio",
        "SECRET_KEY": stack.secrets.label_studio_key,  # else it would keep one of its own beside its data
        "LABEL_STUDIO_BASE_DATA_DIR": str(_folder(stack)),
        "LABEL_STUDIO_HOST": "",  # links relative to the page: they then work through a tunnel, too
        "LABEL_STUDIO_SENTRY_DSN": "",
        "LABEL_STUDIO_FRONTEND_SENTRY_DSN": "",
        "LABEL_STUDIO_FEATURE_FLAGS_OFFLINE": "true",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        # the object store and the webhook's receiver are on this machine: the protection refuses just those addresses
        "LABEL_STUDIO_SSRF_PROTECTION_ENABLED": "false",
        # it says what is wrong with a store's keys only for domains it was told of; the empty one is that of 127.0.0.1
        "LABEL_STUDIO_S3_TRUSTED_STORAGE_DOMAINS": ",amazonaws.com",
        "LOG_LEVEL": "WARNING",
        **{f"LABEL_STUDIO_{name}": "false" for name in off},
        **_database_environment(stack, sqlite or _sqlite(stack)),
    }


def _folder(stack: Stack) -> Path:
    return stack.layout.home / "label-studio"


def _sqlite(stack: Stack) -> Path:
    return _folder(stack) / "label_studio.sqlite3"


def pristine(stack: Stack) -> Path:
    """Label Studio's migrated database without an account in it, kept beside the environment: its 261 migrations cost a minute of computing."""
    version = hashlib.sha256(environments.fingerprint(stack.settings, "labelstudio").encode()).hexdigest()[:12]
    return stack.settings.venvs / "labelstudio" / f"empty-{version}.sqlite3"


def _run_setup(stack: Stack, sqlite: Path, keep: Path | None = None) -> None:
    account = {"email": EMAIL, "password": stack.secrets.label_studio_password, "token": stack.secrets.label_studio_token}
    told = json.dumps(account | {"pristine": str(keep) if keep else None})
    # -P: beside the script lie modules named like those it needs
    command = (str(environments.python(stack.settings, "labelstudio")), "-P", str(SETUP))
    steps.run(stack, "label-studio-setup", command, environment(stack, sqlite), stdin=told, timeout=1800)


def _make_sqlite(stack: Stack) -> None:
    """Make the database aside, then rename it, so that an interrupted start leaves none half made."""
    kept = pristine(stack)
    partial = _sqlite(stack).with_suffix(".partial")
    half_kept = kept.with_suffix(f".{os.getpid()}.partial")
    for each in (partial, Path(f"{partial}-journal")):  # SQLite would play a journal left there into the new file
        each.unlink(missing_ok=True)
    if kept.exists():
        shutil.copyfile(kept, partial)
        _run_setup(stack, partial)
    else:
        _run_setup(stack, partial, half_kept)
        half_kept.replace(kept)
    partial.replace(_sqlite(stack))


def _prepare(stack: Stack) -> None:
    folder = _folder(stack)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o700)
    given = given_database(stack)
    _keep_to(folder / "database", f"{given.host}:{given.port or 5432}/{given.schema}" if given else "SQLite")
    if given is None and not _sqlite(stack).exists():
        _make_sqlite(stack)
    elif not _is_made(stack):
        _run_setup(stack, _sqlite(stack))
    write_private(folder / "made", _wanted(stack))


def _keep_to(note: Path, database: str) -> None:
    """Refuse to change databases by the lack of a variable: the projects and everyone's labels would seem to be gone."""
    before = note.read_text() if note.exists() else database
    if before != database:
        raise StackError(
            f"Label Studio's records are in {before}, but it would now start with {database}. "
            f"Fix: set {variable_of(DATABASE)} as it was; or, to leave those records behind, remove {note}."
        )
    write_private(note, database)


def _wanted(stack: Stack) -> str:
    secrets = stack.secrets
    account = hashlib.sha256(f"{secrets.label_studio_password} {secrets.label_studio_token}".encode()).hexdigest()
    return f"{environments.fingerprint(stack.settings, 'labelstudio')}{SETUP.read_text()}{account}\n"


def _is_made(stack: Stack) -> bool:
    made = _folder(stack) / "made"
    return made.exists() and made.read_text() == _wanted(stack)


def login(stack: Stack) -> str:
    """What a person needs to sign in."""
    return f"Label Studio {stack.settings.url('label_studio')}\nuser: {EMAIL}\npassword: {stack.secrets.label_studio_password}\n"


def component(stack: Stack) -> Component:
    """The server. One process: its threads wait for the database far more than they compute."""
    settings = stack.settings

    def program() -> Program:
        python = environments.python(settings, "labelstudio")
        code = python.parents[1] / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages" / "label_studio"
        listening = ("--bind", f"{settings.bind_address}:{settings.port('label_studio')}", "--workers", "1", "--threads", "8")
        stopping = ("--graceful-timeout", "5", "--timeout", "300")  # a snapshot of a large project is one long request
        where = ("--pythonpath", str(code), "--no-control-socket")
        return Program((str(python), "-m", "gunicorn", *listening, *stopping, *where, "core.wsgi:application"), _folder(stack), environment(stack))

    return Component(
        name="label-studio",
        title="Label Studio",
        address=lambda: settings.url("label_studio"),
        program=program,
        problem=lambda _: http_problem(f"{settings.url('label_studio')}/health"),
        ports=("label_studio",),
        prepare=lambda: _prepare(stack),
    )
