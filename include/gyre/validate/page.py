"""Write what the checks said as one HTML file that needs nothing else: no network, no script."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gyre.specs import Interval, UseCase
    from gyre.validate.suites import Outcome

ROWS_SHOWN = 100


def page(use_case: UseCase, interval: Interval, outcomes: list[Outcome], held_back: list[dict[str, str]], *, blocked: bool) -> str:
    """Give the page's text: failed checks on top, then the rows held back, then every expectation."""
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("gyre.validate").joinpath("page.html.j2").read_text())
    failed = sorted((o for o in outcomes if not o.passed), key=lambda o: ("block", "quarantine", "warn").index(o.check.action))
    zone = use_case.schedule.zone
    return template.render(
        use_case=use_case,
        local=f"{interval.start.astimezone(zone):%a %d %b %Y %H:%M} to {interval.end.astimezone(zone):%a %d %b %Y %H:%M}, {use_case.schedule.timezone}",
        interval=interval,
        blocked=blocked,
        outcomes=outcomes,
        failed=failed,
        held_back=held_back[:ROWS_SHOWN],
        held_back_count=len(held_back),
    )
