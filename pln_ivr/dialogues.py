"""What callers are asked, built from the settings: the menu with its dialogues, and callbacks."""

from __future__ import annotations

from dataclasses import dataclass

from pln_ivr.bills.lookup import Bills
from pln_ivr.calls.dialogues.asking import Asking
from pln_ivr.calls.dialogues.billing import Billing
from pln_ivr.calls.dialogues.callbacks import Callbacks
from pln_ivr.calls.dialogues.identifying import Identifying
from pln_ivr.calls.dialogues.releasing import Releasing
from pln_ivr.calls.dialogues.reporting import Reporting
from pln_ivr.calls.dialogues.walk import MenuWalk
from pln_ivr.calls.house import Rules
from pln_ivr.calls.staying import Staying
from pln_ivr.config import Settings
from pln_ivr.metrics import Metrics
from pln_ivr.outages.reports import Reports
from pln_ivr.queues.callback_store import CallbackStore
from pln_ivr.rules import bounds_of, callbacks_of, menu_of, patience_of, waiting_offer_of


def rules_of(settings: Settings) -> Rules:
    """Which line a call joins."""
    return Rules(settings.queues.entry, settings.queues.dialled)


@dataclass(frozen=True, slots=True)
class Dialogues:
    """Builds them."""

    settings: Settings
    asking: Asking
    metrics: Metrics

    def callbacks(self, store: CallbackStore) -> Callbacks | None:
        """None: nobody can be called back."""
        settings = self.settings
        if not settings.outbound.gateway:
            return None
        return Callbacks(
            self.asking,
            store,
            callbacks_of(settings),
            patience_of(settings.menu),
            waiting_offer_of(settings.callbacks),
            self.metrics.callback_asked,
        )

    def menu(self, reports: Reports, bills: Bills, callbacks: Callbacks | None) -> MenuWalk | None:
        """None: callers join their line at once."""
        settings, metrics = self.settings, self.metrics
        menu = menu_of(settings.menu)
        if menu is None:
            return None
        identifying = self._identifying(reports)
        reporting = self._reporting(reports)
        billing = Billing(self.asking, identifying, bills, metrics.bill_ended)
        line_of = rules_of(settings).queue
        return MenuWalk(
            menu, self.asking, reporting, billing, callbacks, line_of, metrics.menu_choice
        )

    def releasing(
        self, staying: Staying, reports: Reports, callbacks: Callbacks | None
    ) -> Releasing:
        """What callers are asked who may not stay."""
        return Releasing(
            staying,
            self.asking,
            self._reporting(reports),
            callbacks,
            bounds_of(self.settings.release),
            self.metrics.brief_visit_ended,
        )

    def _identifying(self, reports: Reports) -> Identifying:
        return Identifying(self.asking, reports, patience_of(self.settings.menu))

    def _reporting(self, reports: Reports) -> Reporting:
        settings = self.settings
        return Reporting(
            self.asking,
            self._identifying(reports),
            reports,
            settings.menu.no_input_seconds,
            self.metrics.report_ended,
            calls_out=bool(settings.outbound.gateway),
        )
