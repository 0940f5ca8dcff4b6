"""Answers as the API's document shows them: one call and who deals with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pln_ivr.console.callbacks import CallbackView
from pln_ivr.console.views import (
    AgentView,
    ConversationView,
    FlagView,
    IncidentView,
    OutageView,
    QueueView,
    StatementView,
    WaitingView,
)
from pln_ivr.console.views_recordings import AccessView, RecordingView
from pln_ivr.outcomes import (
    Access,
    CallbackResult,
    CallbackStatus,
    IncidentKind,
    Reason,
    Result,
    Review,
    StatementStatus,
    Supervision,
)

CALL_ID = "019ac0de-7a11-7000-8000-000000000123"
OFFER_ID = "019ac0de-8c22-7000-8000-000000000456"
FLAG_ID = "019ac0de-f1a6-7000-8000-000000000007"
INCIDENT_ID = "019ac0de-aaaa-7000-8000-000000000009"
ACCESS_ID = "019ac0de-acce-7000-8000-000000000011"
TIME = datetime(2026, 11, 26, 2, 30, tzinfo=UTC)

AGENT = AgentView(
    extension="101",
    name="Siti Rahma",
    role="agent",
    state="talking",
    pause="",
    skills={"gangguan": 3, "tagihan": 1},
    reachable=True,
    since=TIME,
    call_id=CALL_ID,
    misses=0,
)
QUEUE = QueueView(
    name="gangguan",
    waiting=12,
    longest_wait_seconds=41.5,
    agents_ready=0,
    agents_working=31,
    service_level=0.83,
    service_target=0.8,
    service_seconds=20.0,
    expected_wait_seconds=65.0,
)
WAITING = WaitingView(
    call_id=CALL_ID,
    queue="gangguan",
    position=1,
    joined_at=TIME,
    priority=2,
    caller="*********123",
    expected_wait_seconds=5.0,
)
CONVERSATION = ConversationView(
    call_id=CALL_ID,
    offer_id=OFFER_ID,
    queue="gangguan",
    agent="101",
    since=TIME,
    on_hold=False,
    recording_paused=False,
    flag_id=FLAG_ID,
    supervisors=[("201", Supervision.WHISPER)],
)
FLAG = FlagView(flag_id=FLAG_ID, call_id=CALL_ID, agent="101", raised_at=TIME)
STATEMENT = StatementView(
    version=7,
    status=StatementStatus.LIVE,
    text="Pengumuman dari PLN. Saat ini terjadi gangguan listrik di Bandung dan Garut. …",
    areas=("Bandung", "Garut"),
    cause="gangguan transmisi",
    restoration_at=TIME + timedelta(hours=3),
    expires_at=TIME + timedelta(hours=4),
    recorded=False,
    drafted_by="rina",
    drafted_at=TIME,
    approved_by="budi",
    approved_at=TIME,
    live_by="budi",
    live_at=TIME,
)
CALLBACK = CallbackView(
    callback_id=CALL_ID,
    call_id=CALL_ID,
    report_id=None,
    queue="gangguan",
    caller="*********123",
    status=CallbackStatus.WAITING,
    place_at=TIME,
    asked_at=TIME,
    due_at=TIME,
    expires_at=TIME,
    attempts=1,
    result=CallbackResult.BUSY,
    last_call_id=CALL_ID,
    ended_at=None,
    ended_by=None,
)
OUTAGE = OutageView(area="Bandung", reports=212, clustered=True)
INCIDENT = IncidentView(
    incident_id=INCIDENT_ID,
    kind=IncidentKind.MISSED_THIRD_RING,
    agent="101",
    queue="gangguan",
    call_id=CALL_ID,
    offer_id=OFFER_ID,
    happened_at=TIME,
    rang_seconds=11.0,
    spoke_seconds_before=None,
    recording=None,
    offset_seconds=None,
    review=Review.NEW,
    reviewer=None,
    note=None,
    reviewed_at=None,
)
RECORDING = RecordingView(
    recording_id=OFFER_ID,
    call_id=CALL_ID,
    offer_id=OFFER_ID,
    queue="gangguan",
    agent="101",
    caller="*********123",
    outcome=Result.ANSWERED,
    reason=Reason.CALLER_HUNG_UP,
    began_at=TIME,
    ended_at=TIME + timedelta(seconds=187),
    talk_seconds=187.0,
    seconds=188.2,
    codec="opus",
    sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    notice_version="3f7a0c51d2be",
    faults=[],
    incidents=[IncidentKind.HUNG_UP_ON_CUSTOMER],
    held=False,
    deleted_at=None,
)
ACCESS = AccessView(
    access_id=ACCESS_ID,
    who="dewi",
    role="supervisor",
    act=Access.PLAY,
    reason="review of incident 019ac0de-aaaa",
    accessed_at=TIME,
)
