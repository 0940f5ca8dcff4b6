"""The API's outages on a real journal: what is reported, and power that is back."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pln_ivr.journal import schema, tables
from pln_ivr.restoration import ReportedOutages
from tests.unit.api_house import Client, House, served, shown
from tests.unit.pronouncing import prepare
from tests.unit.test_outage_reports import running


async def restore(client: Client, **body: Any) -> tuple[int, Any]:
    async with client.post(
        "/api/outages/restorations", json=body, headers=shown("supervisors")
    ) as answer:
        return answer.status, await answer.json()


async def seen(client: Client) -> dict[str, tuple[int, bool]]:
    async with client.get("/api/outages", headers=shown("agents")) as answer:
        assert answer.status == 200
        return {one["area"]: (one["reports"], one["clustered"]) for one in await answer.json()}


async def test_power_that_is_back_ends_reports_and_their_cluster(tmp_path: Path) -> None:
    url = prepare(f"sqlite:///{tmp_path}/journal.db")
    async with running(url) as reports:
        house = House()
        api = dataclasses.replace(house.api, outages=ReportedOutages(reports))
        async with served(house, api) as client:
            for number in range(3):
                await reports.register(f"5134567890{number:02}", "08123456", "c-1")
            await reports.register("531111111111", "08123456", "c-1")
            await reports.look()
            assert await seen(client) == {"Bandung": (3, True), "Depok": (1, False)}

            assert await restore(client, areas=["Garut"]) == (200, {"restored": 0})
            assert await restore(client, areas=["Bandung"]) == (200, {"restored": 3})
            assert await restore(client, areas=["Bandung"]) == (200, {"restored": 0})
            assert await seen(client) == {"Depok": (1, False)}
            (left,) = stored(url, "open")
            assert await restore(client, reports=[left["report_id"]]) == (200, {"restored": 1})
            assert await seen(client) == {}
            assert {row["ended_by"] for row in stored(url, "restored")} == {"budi"}

            again = await reports.register("531111111111", "08123456", "c-2")
            assert again.new, "what is reported after it is another outage"


async def test_a_restoration_of_nothing_is_refused(tmp_path: Path) -> None:
    async with served(House()) as client:
        status, said = await restore(client)
        assert (status, said["field"]) == (422, "areas")
        status, said = await restore(client, area="Bandung")
        assert (status, said["field"]) == (400, "area")


def stored(url: str, status: str) -> list[dict[str, Any]]:
    engine = schema.create_engine(schema.parse_url(url))
    table = tables.outage_reports
    with engine.connect() as connection:
        query = sa.select(table).where(table.c.status == status)
        found = [dict(row) for row in connection.execute(query).mappings()]
    engine.dispose()
    return found
