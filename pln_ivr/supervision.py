"""The supervisor's API, built on a node's parts."""

from __future__ import annotations

import asyncio

from pln_ivr import __version__
from pln_ivr.app import App
from pln_ivr.board import Board
from pln_ivr.config import Settings
from pln_ivr.console.auth import finder
from pln_ivr.console.callbacks import JournalCallbacks
from pln_ivr.console.evidence import JournalEvidence
from pln_ivr.console.replay import JournalReplay
from pln_ivr.console.routes import Api
from pln_ivr.journal.tokens import Tokens
from pln_ivr.metrics import Metrics
from pln_ivr.recordings.library import Library
from pln_ivr.restoration import ReportedOutages
from pln_ivr.rules import draft_rules
from pln_ivr.statements import JournalStatements


def api_of(app: App, settings: Settings, metrics: Metrics, tokens: Tokens, library: Library) -> Api:
    """What agents, supervisors and the field may ask and order over HTTP. In the event loop."""
    url = settings.journal.url
    board = Board(
        floor=app.floor,
        roster=app.agents,
        desk=app.desk,
        talks=app.talks,
        raised=app.flags,
        settings=settings.queues,
        levels=app.levels,
        caller_of=app.reception.caller_of,
        clock=asyncio.get_running_loop().time,
    )
    return Api(
        floor=board,
        evidence=JournalEvidence(url),
        statements=JournalStatements(url, draft_rules(settings), app.bulletin.look),
        outages=ReportedOutages(app.reports),
        callbacks=JournalCallbacks(url),
        replay=JournalReplay(url, library.open),
        feed=app.feed,
        find=finder(tokens),
        on_denied=metrics.api_denied,
        version=__version__,
    )
