"""Outages as callers report them, and the clusters that they make. Blocking.

A report is registered in one transaction, so that a customer has one report of an outage whoever
else writes at the same time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import uuid_utils
from sqlalchemy.engine import Connection

from pln_ivr.journal import tables
from pln_ivr.journal.access import Access
from pln_ivr.journal.callbacks import OPEN, callback_of
from pln_ivr.journal.dispatches import enqueue
from pln_ivr.outcomes import ReportStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReport:
    """What a caller reports. `area` empty: nobody has said where customers are."""

    customer: str
    area: str
    caller: str
    call_id: str
    node: str
    reported_at: datetime
    language: str = ""


@dataclass(frozen=True, slots=True)
class ReportRules:
    """See the settings' section on outages."""

    lasts: timedelta
    cluster_reports: int
    cluster_within: timedelta
    dispatched: bool = False
    """Whether new reports and clusters go to the field dispatch."""
    callback_lasts: timedelta = timedelta(hours=24)
    """How long after a restoration those who asked for it may be called."""


@dataclass(frozen=True, slots=True)
class Registered:
    """What the caller is told. `cluster`: so many reports have just made one."""

    new: bool
    reported_at: datetime
    neighbours: int
    cluster: int | None = None
    report_id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Standing:
    """Open reports and clusters by area."""

    reports: Mapping[str, int]
    clusters: Mapping[str, int]


class ReportBook(Access):
    """The reports there are, and new ones. Raises JournalError, see Access."""

    def __init__(self, url: str, rules: ReportRules) -> None:
        """`url` is `journal.url`."""
        super().__init__(url, read_only=False)
        self._rules = rules

    def register(self, report: NewReport) -> Registered:
        """A new report, or the one that the customer has."""
        with self.changing() as connection:
            return self._register(connection, report)

    def known(self, caller: str) -> str | None:
        """The customer number that this telephone reported last."""
        table = tables.outage_reports
        query = sa.select(table.c.customer).where(table.c.caller == caller)
        for row in self._rows(query.order_by(table.c.reported_at.desc()).limit(1)):
            return str(row["customer"])
        return None

    def standing(self, now: datetime) -> Standing:
        """What is open now. Reports past their time are over, and so are the clusters of areas
        that have none left."""
        reports, clusters = tables.outage_reports, tables.outage_clusters
        open_reports = reports.c.status == ReportStatus.OPEN
        since = sa.func.coalesce(reports.c.reopened_at, reports.c.reported_at)
        old = since < now - self._rules.lasts
        with self.changing() as connection:
            connection.execute(
                sa.update(reports)
                .where(open_reports, old)
                .values(status=ReportStatus.EXPIRED, ended_at=now)
            )
            counts = sa.select(reports.c.area, sa.func.count()).where(open_reports)
            by_area = {area: n for area, n in connection.execute(counts.group_by(reports.c.area))}
            query = sa.select(clusters.c.area).where(clusters.c.ended_at.is_(None))
            raised = {area for (area,) in connection.execute(query)}
            over = clusters.c.area.in_(raised - by_area.keys()) & clusters.c.ended_at.is_(None)
            connection.execute(sa.update(clusters).where(over).values(ended_at=now))
        return Standing(by_area, {area: by_area[area] for area in raised & by_area.keys()})

    def restore(
        self, areas: Collection[str], report_ids: Collection[str], by: str, now: datetime
    ) -> int:
        """Power is back for these areas and for these reports; how many reports that were open
        it ends. Who asked for it is to be called. `standing` ends the clusters that have none
        left."""
        table = tables.outage_reports
        meant = table.c.area.in_(areas) | table.c.report_id.in_(report_ids)
        is_open = table.c.status == ReportStatus.OPEN
        over = {"status": ReportStatus.RESTORED, "ended_at": now, "ended_by": by}
        expires_at = now + self._rules.callback_lasts
        with self.changing() as connection:
            called = sa.select(tables.callbacks.c.report_id).where(
                tables.callbacks.c.report_id == table.c.report_id,
                tables.callbacks.c.status.in_(OPEN),
            )
            wished = (meant, is_open, table.c.wants_call, ~called.exists())
            rows = connection.execute(sa.select(table).where(*wished)).mappings().all()
            done = connection.execute(sa.update(table).where(meant, is_open).values(over))
            calls = [callback_of(dict(row), now, expires_at) for row in rows]
            if calls:
                connection.execute(sa.insert(tables.callbacks), calls)
        return done.rowcount

    def wish(self, report_id: str) -> None:
        """Who made this report is to be called when power is back."""
        table = tables.outage_reports
        wished = sa.update(table).where(table.c.report_id == report_id).values(wants_call=True)
        with self.changing() as connection:
            connection.execute(wished)

    def reopen(self, report_id: str, now: datetime) -> bool:
        """Power is not back after all for who made this report: it is open again, and the field is
        told. False if there is no such report. If the customer has reported anew meanwhile, that
        report stands for both."""
        table = tables.outage_reports
        with self.changing() as connection:
            query = sa.select(table).where(table.c.report_id == report_id).with_for_update()
            row = connection.execute(query).mappings().first()
            if row is None:
                return False
            mine = (table.c.customer == row["customer"], table.c.status == ReportStatus.OPEN)
            if connection.execute(sa.select(table.c.report_id).where(*mine)).first():
                return True
            again = {"status": ReportStatus.OPEN, "ended_at": None, "ended_by": None}
            connection.execute(
                sa.update(table)
                .where(table.c.report_id == report_id)
                .values(again | {"reopened_at": now})
            )
            if self._rules.dispatched:
                told = {name: row[name] for name in _TOLD}
                told |= {"reported_at": row["reported_at"].isoformat()}
                told |= {"reopened_at": now.isoformat()}
                enqueue(connection, "outage_reopened", report_id, told, now)
        return True

    def _register(self, connection: Connection, report: NewReport) -> Registered:
        table, now = tables.outage_reports, report.reported_at
        mine = (table.c.customer == report.customer, table.c.status == ReportStatus.OPEN)
        found = connection.execute(sa.select(table).where(*mine))
        earlier = found.mappings().first()
        if earlier and _since(dict(earlier)) < now - self._rules.lasts:
            over = {"status": ReportStatus.EXPIRED, "ended_at": now}
            connection.execute(sa.update(table).where(*mine).values(over))
            earlier = None
        if earlier:
            again = {"repeats": table.c.repeats + 1, "repeated_at": now}
            connection.execute(sa.update(table).where(*mine).values(again))
            others = self._open(connection, earlier["area"]) - 1
            report_id = earlier["report_id"]
            return Registered(False, earlier["reported_at"], others, report_id=report_id)
        values = _values(report)
        connection.execute(sa.insert(table), values)
        if self._rules.dispatched:
            told = {name: values[name] for name in _TOLD}
            told |= {"reported_at": now.isoformat()}
            enqueue(connection, "outage_report", values["report_id"], told, now)
        others = self._open(connection, report.area) - 1
        cluster = self._cluster(connection, report)
        return Registered(True, now, others, cluster, values["report_id"])

    def _open(self, connection: Connection, area: str) -> int:
        table = tables.outage_reports
        query = sa.select(sa.func.count()).where(
            table.c.area == area, table.c.status == ReportStatus.OPEN
        )
        return int(connection.execute(query).scalar_one())

    def _cluster(self, connection: Connection, report: NewReport) -> int | None:
        """How many reports have made a new cluster; None if there is none, or it is not new."""
        reports, clusters = tables.outage_reports, tables.outage_clusters
        there = sa.select(clusters.c.cluster_id).where(
            clusters.c.area == report.area, clusters.c.ended_at.is_(None)
        )
        if connection.execute(there).first():
            return None
        recent = sa.select(sa.func.count()).where(
            reports.c.area == report.area,
            reports.c.status == ReportStatus.OPEN,
            reports.c.reported_at > report.reported_at - self._rules.cluster_within,
        )
        count = int(connection.execute(recent).scalar_one())
        if count < self._rules.cluster_reports:
            return None
        cluster_id = str(uuid_utils.uuid7())
        values = {
            "cluster_id": cluster_id,
            "area": report.area,
            "reports": count,
            "raised_at": report.reported_at,
        }
        connection.execute(sa.insert(clusters), values)
        if self._rules.dispatched:
            told = values | {"raised_at": report.reported_at.isoformat()}
            enqueue(connection, "outage_cluster", cluster_id, told, report.reported_at)
        return count


def _since(report: Mapping[str, Any]) -> datetime:
    """What a report's time is counted from."""
    since: datetime = report["reopened_at"] or report["reported_at"]
    return since


_TOLD = ("report_id", "customer", "area", "caller", "node")
"""Of a report, to the field dispatch."""


def _values(report: NewReport) -> dict[str, Any]:
    return {
        "report_id": str(uuid_utils.uuid7()),
        "customer": report.customer,
        "area": report.area,
        "caller": report.caller,
        "call_id": report.call_id,
        "node": report.node,
        "reported_at": report.reported_at,
        "language": report.language,
        "repeats": 0,
        "status": ReportStatus.OPEN,
    }
