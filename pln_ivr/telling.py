"""What happened goes to the journal, the metrics, the log, and to whoever watches.

Every part that something happens in tells it here, once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import structlog
import uuid_utils

from pln_ivr.calls.call import Call
from pln_ivr.journal import (
    AgentStateRow,
    CallRow,
    FlagRow,
    HearingRow,
    IncidentRow,
    JournalWriter,
    OfferRow,
    RecordingPauseRow,
    Row,
    SupervisionRow,
)
from pln_ivr.metrics import Metrics
from pln_ivr.outcomes import Outcome, Result
from pln_ivr.queues.agents import Agent
from pln_ivr.queues.offer import Offer
from pln_ivr.queues.service import ServiceLevels

log = structlog.get_logger("pln_ivr.telling")


class Telling:
    """One node's."""

    def __init__(
        self,
        node: str,
        journal: JournalWriter,
        metrics: Metrics,
        levels: ServiceLevels,
        watch: Callable[[Row], None],
    ) -> None:
        """`watch` gets the rows of what supervisors look at live."""
        self._node = node
        self._journal = journal
        self._metrics = metrics
        self._levels = levels
        self._watch = watch

    # -- calls ---------------------------------------------------------------------------

    def call(self, call: Call) -> None:
        """A call's story has grown."""
        row = call.row()
        self._journal.write(row)
        if row.outcome is not Result.REJECTED:  # a storm of them is nothing to look at live
            self._watch(row)

    def hearing(self, row: HearingRow) -> None:
        """A caller has heard a statement."""
        self._journal.write(row)
        self._metrics.statement_heard(row.stage, row.whole)

    def call_ended(self, call: Call) -> None:
        """A call has ended; its story has been told."""
        if call.outcome and call.ended_at:
            self._count(call.outcome, call.queue, call.queued_at, call.talking_at, call.ended_at)

    def call_completed(self, row: CallRow, own: bool) -> None:
        """The end of a call was read from Asterisk's list; `own`: this run had the call."""
        if not (row.outcome and row.reason and row.ended_at):
            return
        outcome = Outcome(row.outcome, row.reason)
        self._metrics.call_completed(outcome)
        if own:  # the journal's figure too
            self._count(outcome, row.queue, row.queued_at, row.talking_at, row.ended_at)
        log.info(
            "call_completed",
            call_id=row.call_id,
            outcome=row.outcome,
            reason=row.reason,
            fallback=row.fallback,
        )

    def _count(
        self,
        outcome: Outcome,
        queue: str | None,
        queued_at: datetime | None,
        talking_at: datetime | None,
        ended_at: datetime,
    ) -> None:
        waited = ((talking_at or ended_at) - queued_at).total_seconds() if queued_at else None
        talked = (ended_at - talking_at).total_seconds() if talking_at else None
        self._metrics.call_ended(outcome, waited, talked)
        if queue and waited is not None:
            gave_up = outcome.result is Result.ABANDONED
            self._levels.left(queue, waited, talking_at is not None, gave_up)

    # -- agents --------------------------------------------------------------------------

    def agent_changed(self, agent: Agent, reason: str) -> None:
        """An agent's state is another one."""
        row = AgentStateRow(
            change_id=str(uuid_utils.uuid7()),
            sequence=1,
            node=self._node,
            agent=agent.extension,
            state=agent.state,
            reason=reason,
            changed_at=datetime.now(UTC),
            wish=agent.wish,
            pause=agent.pause,
        )
        self._journal.write(row)
        self._watch(row)

    def offer(self, row: OfferRow) -> None:
        """An offer's story has grown."""
        self._journal.write(row)
        self._watch(row)

    def offer_ended(self, offer: Offer) -> None:
        """An offer, and the conversation from it, is over."""
        if offer.result and offer.ended_at:
            seconds = (offer.ended_at - offer.offered_at).total_seconds()
            self._metrics.offer_ended(offer.result, seconds)

    def incident(self, row: IncidentRow) -> None:
        """There is a new conduct incident."""
        self._journal.write(row)
        self._metrics.incident(row.kind)
        self._watch(row)
        log.info(
            "conduct_incident",
            kind=row.kind,
            agent=row.agent,
            call_id=row.call_id,
            incident_id=row.incident_id,
        )

    # -- help ----------------------------------------------------------------------------

    def flag(self, row: FlagRow) -> None:
        """See calls.flags.Teller."""
        self._journal.write(row)
        if row.result:
            self._metrics.flag_ended(row.result)
            if row.helped_at:
                self._metrics.flag_helped((row.helped_at - row.raised_at).total_seconds())
        self._watch(row)
        log.info(
            "white_flag",
            flag_id=row.flag_id,
            agent=row.agent,
            taken_by=row.taken_by,
            result=row.result,
        )

    def supervision(self, row: SupervisionRow) -> None:
        """See calls.guests.Teller."""
        self._journal.write(row)
        self._watch(row)
        log.info(
            "supervision",
            call_id=row.call_id,
            supervisor=row.supervisor,
            mode=row.mode,
            ended=row.ended_at is not None,
        )

    def recording_pause(self, row: RecordingPauseRow) -> None:
        """A recording has been paused, or goes on."""
        self._journal.write(row)
        self._watch(row)
        if row.end:
            self._metrics.recording_pause_ended(row.end)
        log.info(
            "recording_pause",
            call_id=row.call_id,
            agent=row.agent,
            by=row.ended_by or row.ordered_by,
            end=row.end,
        )
