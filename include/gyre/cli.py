"""The command `gyre`: start, watch and stop the local stack, and look into the journal. Everything it does is a function elsewhere."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import wraps
from typing import Annotated, Any, Literal

import typer

from gyre.errors import GyreError, StackError
from gyre.journal import Kind
from gyre.layout import Layout
from gyre.settings import settings

app = typer.Typer(help="Gyre: models that keep themselves up to date.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Register a command; what can be mended is told in one line, without a traceback."""

    @wraps(function)
    def guarded(*arguments: Any, **options: Any) -> None:
        try:
            function(*arguments, **options)
        except GyreError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from error

    app.command(name=function.__name__.rstrip("_"))(guarded)
    return guarded


def say(line: str) -> None:
    """One line of progress, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def recall_settings() -> None:
    """Use the GYRE_* variables the stack was started with, where this process is given none: `down` and `status` then find it."""
    file = Layout(settings().home).remembered_settings
    if file.exists():
        for name, value in json.loads(file.read_text()).items():
            os.environ.setdefault(name, value)


@command
def up() -> None:
    """Start the whole local stack, from whatever state it is in."""
    from gyre.specs import load_use_cases
    from gyre.stack.up import up as start

    use_cases, broken = load_use_cases()
    for problem in broken:
        say(f"warning: {problem}")
    local = settings().runtime == "local"  # on a cluster, jobs and served versions find their environments in images
    stack = start(say, sorted({use_case.environment for use_case in use_cases}) if local else ())
    say("")
    for title, name in (("Airflow", "airflow"), ("Label Studio", "label_studio"), ("MLflow", "mlflow")):
        say(f"{title:<13} {stack.settings.url(name)}")
    say(f"Users and passwords: {stack.layout.login}")


@command
def down() -> None:
    """Stop everything: servers, served models, jobs."""
    from gyre.stack.down import down as stop

    stop(say)


@command
def clean() -> None:
    """Stop everything and remove all data and environments of the local stack."""
    from gyre.stack.down import clean as remove

    remove(say)


@command
def env(names: Annotated[list[str], typer.Argument(help="Folders of docker/, or airflow.")]) -> None:
    """Install environments in .venvs, each from its lock."""
    from gyre.stack import environments

    for name in names:
        environments.lock(settings(), name)
    environments.build(settings(), names, say)
    say(f"installed: {', '.join(names)}")


@command
def images(names: Annotated[list[str] | None, typer.Argument(help="Folders of docker/ with a Dockerfile; all, if none is named.")] = None) -> None:
    """Build images with Docker or Podman, and check that each can do what it is for."""
    from gyre.stack import images as of

    here = settings()
    of.build(here, names or of.known(here), say)


@command
def status(as_json: AsJson = False) -> None:
    """Say what runs, and what each use case has come to. Exit status 1 unless everything is healthy."""
    from gyre.stack import report

    components = report.component_statuses()
    running = any(each.healthy for each in components)
    use_cases = report.use_cases(report.local_journal()) if running else []
    jobs = report.running_jobs()
    if as_json:
        say(json.dumps({"components": [asdict(each) for each in components], "jobs": jobs, "use_cases": use_cases}, default=str, indent=2))
    else:
        rows = [(each.name, each.state, "healthy" if each.healthy else "-", each.address, each.note) for each in components]
        _table(("component", "state", "health", "address", "note"), rows)
        say(f"\njobs running: {jobs}")
        if use_cases:
            say("")
            _table(("use case", "champion", "challenger", "published", "blocked", "retrain requests"), [_use_case_row(each) for each in use_cases])
    if not all(each.healthy for each in components):
        raise typer.Exit(1)


def _use_case_row(summary: dict[str, Any]) -> tuple[str, ...]:
    intervals = summary["intervals"]
    counts = (len(intervals["published"]), len(intervals["blocked"]), len(summary["open_retrain_requests"]))
    return (summary["use_case"], *(str(summary[each] or "-") for each in ("champion", "challenger")), *map(str, counts))


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@command
def logs(
    name: str,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines are added.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines.")] = 100,
) -> None:
    """Show the end of a server's log."""
    from gyre.stack import steps

    steps.show_log(Layout(settings().home), name, lines, follow)


@command
def journal(
    use_case: Annotated[str | None, typer.Option("--use-case", "-u", help="Only this one's entries.")] = None,
    kind: Annotated[Kind | None, typer.Option("--kind", "-k", help="Only entries of this kind, such as job_ended.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the journal, oldest first."""
    import psycopg

    from gyre.stack.report import local_journal

    try:
        entries = list(local_journal().entries(use_case, *([kind] if kind else [])))
    except psycopg.Error as error:
        raise StackError(f"The journal cannot be read: {str(error).strip()}. Fix: run `make up`.") from error
    for entry in entries:
        if as_json:
            say(json.dumps(asdict(entry), default=str))
        else:
            say(f"{entry.at:%Y-%m-%d %H:%M:%S}  {entry.use_case}  {entry.kind}  {entry.key}  {json.dumps(entry.body, default=str)[:160]}")


@command
def check(conn_id: Annotated[str, typer.Argument(help="Id of a connection, such as gyre_labelstudio.")]) -> None:
    """Test a connection to Label Studio: who signs in, by what kind of token, until when. Exit status 1 if it does not work."""
    from gyre.connections import ask_also, connection
    from gyre.stack.airflow_settings import local_connections
    from gyre.stack.check import check as test

    ask_also(lambda wanted: local_connections().get(wanted))
    say(test(connection(conn_id)))


@command
def annotator(email: Annotated[str, typer.Argument(help="E-mail of the person; nothing is sent to it.")]) -> None:
    """Make an account in Label Studio for someone who labels, and print its password; asked again, it prints the same."""
    from gyre.stack import annotators
    from gyre.stack.context import Stack

    stack = Stack.open()
    made = annotators.add_annotator(email, stack)
    say(f"{stack.settings.url('label_studio')}\nuser: {made.email}\npassword: {made.password}")


@command
def new(
    name: Annotated[str, typer.Argument(help="Name of the model: small letters, digits, underscores.")],
    labels: Annotated[Literal["facts", "people"], typer.Option("--labels", help="Facts that arrive later, or people asked in Label Studio.")] = "facts",
) -> None:
    """Write the folder of a new use case; its DAGs appear in Airflow by themselves."""
    from gyre.new import write

    folder = write(name, settings(), labels)
    say(f"wrote {folder}: begin with use_case.py, which says where its data come from")


@command
def demo(only: Annotated[str | None, typer.Option("--only", help="Play this use case alone.")] = None) -> None:
    """Play a company's data through the whole loop."""
    from demo.replay import main

    main(only)


def run() -> None:
    """Entry point of `python -m gyre.cli` and of the `gyre` script."""
    recall_settings()
    try:
        app()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    run()
