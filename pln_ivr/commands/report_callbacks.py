"""The table of callbacks that several reports have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, fields

from pln_ivr.commands.report_form import Row, Table
from pln_ivr.commands.report_making import Making
from pln_ivr.journal.callbacks import CallbackFigures, CallbackList, callbacks_together

COLUMNS = [field.name for field in fields(CallbackFigures)]
CALLBACKS = [f"callbacks_{name}" for name in COLUMNS[1:]]
"""The same beside other figures of a queue."""


def callbacks_table(making: Making) -> Table:
    """What has become of the callbacks that were asked for in this time."""
    with CallbackList(making.url) as callbacks:
        figures = callbacks.figures(making.period.since, making.period.until)
    return Table(
        "callbacks",
        COLUMNS,
        [asdict(one) for one in figures],
        asdict(callbacks_together(figures)),
        words=["queue"],
        about=(
            "By when they were asked for. The visit in which a callback was asked for is the one"
            " contact: it counts as released, and the call that we placed is no arrival. Without a"
            " queue: customers who were to hear that power is back."
        ),
    )


def callbacks_by_queue(making: Making) -> Mapping[str, Row]:
    """The same for each queue, and for all together."""
    table = callbacks_table(making)
    rows = [*table.rows, table.total or {}]
    return defaultdict(
        lambda: dict.fromkeys(CALLBACKS, 0),
        {row["queue"]: {f"callbacks_{name}": row[name] for name in COLUMNS[1:]} for row in rows},
    )
