"""What must be true of the data. Plain Great Expectations; `meta` says what follows when it is not.

    {"on_failure": "block"}       nothing of the interval is published (the default)
    {"on_failure": "quarantine"}  the rows that fail are kept aside with the reason, the rest is published
    {"on_failure": "warn"}        it is noted
"""

import great_expectations as gx
import great_expectations.expectations as gxe

from gyre.specs import Interval


def suites(interval: Interval) -> dict[str, gx.ExpectationSuite]:
    """Give a suite for each source that has one, and one for `features`."""
    days = (interval.end - interval.start).days
    return {
        "rows": gx.ExpectationSuite(
            name="rows",
            expectations=[
                gxe.ExpectColumnValuesToNotBeNull(column="id"),
                gxe.ExpectColumnValuesToBeUnique(column="id"),
                gxe.ExpectTableRowCountToBeBetween(min_value=10 * days),
                gxe.ExpectColumnValuesToBeBetween(column="amount", min_value=0, meta={"on_failure": "quarantine"}),
            ],
        ),
        "features": gx.ExpectationSuite(
            name="features",
            expectations=[gxe.ExpectColumnValuesToNotBeNull(column="amount", mostly=0.95)],
        ),
    }
