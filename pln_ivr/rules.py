"""The settings' rules in the words of the parts that follow them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pln_ivr.bills.lookup import Source
from pln_ivr.calls.dialogues.callbacks import WaitingOffer
from pln_ivr.calls.dialogues.keying import Patience
from pln_ivr.calls.dialogues.menu import Choice, Kind, Menu, Page
from pln_ivr.calls.dialogues.phone_number import PROMPTS as CALLBACK_PROMPTS
from pln_ivr.calls.dialogues.releasing import Bounds
from pln_ivr.calls.outbound.callout import Trunk
from pln_ivr.calls.outbound.reaching import PROMPTS as CALLING_PROMPTS
from pln_ivr.calls.prompt_files import Prompts, files_of, is_built, load_texts, with_texts
from pln_ivr.config import Settings
from pln_ivr.config.agents import Outbound
from pln_ivr.config.bill import Bill
from pln_ivr.config.callbacks import Callbacks
from pln_ivr.config.dispatch import Dispatch
from pln_ivr.config.information import Information
from pln_ivr.config.menu import Menu as MenuSettings
from pln_ivr.config.menu import MenuKey
from pln_ivr.config.queues import Queues
from pln_ivr.config.records import S3, Recordings
from pln_ivr.config.release import Release
from pln_ivr.dispatch.sender import Receiver
from pln_ivr.errors import ConfigError
from pln_ivr.journal.outages import ReportRules
from pln_ivr.outages.drafting import DraftRules
from pln_ivr.outages.reports import ReportSettings
from pln_ivr.queues.callbacks import CallbackRules, Hours
from pln_ivr.queues.desk import Habits
from pln_ivr.queues.lines import Line
from pln_ivr.recordings.forms import Codec
from pln_ivr.recordings.jobs import ArchiveSettings, S3Place
from pln_ivr.recordings.nightly import NightlyRules
from pln_ivr.wording import spoken_week


def habits_of(settings: Settings) -> Habits:
    """How agents are treated after an offer."""
    return Habits(
        unreachable=settings.agents.unreachable_pause_seconds,
        wrap_up=settings.agents.wrap_up_seconds,
        pause_after_misses=settings.agents.pause_after_misses,
        ageing=settings.queues.ageing_seconds,
    )


def trunk_of(outbound: Outbound) -> Trunk:
    """The way to customers."""
    return Trunk(outbound.endpoint, outbound.gateway, outbound.number, outbound.ring_seconds)


def archive_of(recordings: Recordings) -> ArchiveSettings:
    """Where and in which form recordings are archived."""
    return ArchiveSettings(
        folder=str(recordings.folder.absolute()),
        codec=Codec(recordings.codec),
        keys=str(recordings.keys.absolute()) if recordings.keys else None,
        s3=_bucket(recordings.s3),
    )


def _bucket(s3: S3) -> S3Place | None:
    if not s3.bucket:
        return None
    return S3Place(
        bucket=s3.bucket,
        prefix=s3.prefix,
        endpoint=s3.endpoint,
        region=s3.region,
        access_key=s3.access_key,
        secret_key=s3.secret_key.get_secret_value(),
        seconds=s3.seconds,
    )


def nightly_of(settings: Settings) -> NightlyRules:
    """When recordings are verified."""
    recordings = settings.recordings
    return NightlyRules(
        mark=f"verified/{settings.node.name}",
        journal_url=settings.journal.url,
        spool=str(recordings.spool.absolute()),
        archive=archive_of(recordings),
        hour=recordings.verify_hour,
        zone=ZoneInfo(settings.outages.zone),
    )


def digits_of(queues: Queues) -> dict[str, str]:
    """The queues that can be keyed, by their digit."""
    return {queue.digit: name for name, queue in queues.names.items() if queue.digit}


def lines_of(queues: Queues) -> dict[str, Line]:
    """The lines as the settings have them."""
    return {
        name: Line(
            name=name,
            skills=frozenset(queue.skills or (name,)),
            priority=queue.priority,
            length=queue.length,
            longest_wait_seconds=queue.longest_wait_seconds,
            overflow=queue.overflow,
            music=queue.music,
            announce_seconds=queue.announce_seconds,
        )
        for name, queue in queues.names.items()
    }


def draft_rules(settings: Settings) -> DraftRules:
    """What a statement may be, and the voice that speaks it: that of the prompts."""
    return DraftRules(
        areas=settings.outages.areas,
        zone=ZoneInfo(settings.outages.zone),
        longest=timedelta(hours=settings.outages.longest_hours),
        voice=lambda: load_texts(settings.prompts.texts).voice,
    )


def receiver_of(dispatch: Dispatch) -> Receiver:
    """Who is told of reports."""
    return Receiver(
        dispatch.url,
        dispatch.secret.get_secret_value(),
        dispatch.seconds,
        timedelta(hours=dispatch.give_up_hours),
    )


def source_of(bill: Bill) -> Source:
    """Where bills are looked up."""
    return Source(
        bill.url,
        bill.token.get_secret_value(),
        bill.seconds,
        bill.at_once,
        bill.remembered_seconds,
    )


def reports_of(settings: Settings) -> ReportSettings:
    """What a report of an outage is, and whether the field dispatch is told."""
    outages = settings.outages
    return ReportSettings(
        prefixes=outages.prefixes,
        zone=ZoneInfo(outages.zone),
        rules=ReportRules(
            timedelta(hours=outages.report_hours),
            outages.cluster_reports,
            timedelta(minutes=outages.cluster_minutes),
            dispatched=bool(settings.dispatch.url),
            callback_lasts=timedelta(hours=settings.callbacks.expire_hours),
        ),
    )


def callbacks_of(settings: Settings) -> CallbackRules:
    """Whom we call back when, and what an attempt means."""
    callbacks = settings.callbacks
    return CallbackRules(
        hours=Hours(
            time.fromisoformat(callbacks.begins),
            time.fromisoformat(callbacks.ends),
            ZoneInfo(settings.outages.zone),
        ),
        attempts=callbacks.attempts,
        pause=timedelta(minutes=callbacks.pause_minutes),
        lasts=timedelta(hours=callbacks.expire_hours),
        customer_first=callbacks.first == "customer",
        reserve_share=callbacks.reserve_share,
        international=callbacks.dialled == "international",
        machine_disposition=callbacks.machine_disposition,
        machine_seconds=callbacks.machine_seconds,
        restored_attempts=callbacks.restored_attempts,
    )


def waiting_offer_of(callbacks: Callbacks) -> WaitingOffer:
    """When who waits is offered to be called back."""
    return WaitingOffer(callbacks.offer_after_seconds, callbacks.key)


def patience_of(settings: MenuSettings) -> Patience:
    """How long who keys a number is waited for: as in the menu."""
    return Patience(settings.no_input_seconds, settings.no_input_tries, settings.invalid_tries)


def bounds_of(settings: Release) -> Bounds:
    """How long a brief visit may be."""
    return Bounds(settings.tries, settings.key_seconds, settings.longest_seconds)


def menu_of(settings: MenuSettings) -> Menu | None:
    """The menu as the settings have it; None if there is none."""
    if not settings.entry:
        return None
    pages = {
        name: Page(
            name=name,
            prompt=page.prompt,
            keys={key: _choice(meaning) for key, meaning in page.keys.items()},
            queue=page.queue,
            language=page.language,
        )
        for name, page in settings.menus.items()
    }
    return Menu(
        entry=settings.entry,
        pages=pages,
        no_input_seconds=settings.no_input_seconds,
        no_input_tries=settings.no_input_tries,
        invalid_tries=settings.invalid_tries,
        most_keys=settings.most_keys,
    )


def texts_of(settings: Settings, texts: Path | None = None) -> Iterator[Prompts]:
    """All that is to be spoken, for each language: from its file (`texts` is another first one)
    and from the settings' information. Raises PromptError."""
    files = files_of(texts or settings.prompts.texts, settings.prompts.languages)
    for language, file in files:
        yield with_texts(load_texts(file, language), _information(settings.information, language))


def _information(information: Information, language: str) -> dict[str, str]:
    """The prompts made of it, by name; none of those that say nothing in this language."""
    texts = {
        name: entry.translations.get(language, "") if language else entry.text
        for name, entry in (information.texts | information.hours).items()
    }
    weeks = {name: spoken_week(hours.week, language) for name, hours in information.hours.items()}
    return {f"info-{name}": f"{text} {weeks.get(name, '')}" for name, text in texts.items() if text}


def require_prompts(menu: Menu | None, folder: Path, calls_out: bool = False) -> None:
    """Raises ConfigError with a line for each prompt of the menu, and if customers are called back
    of what is said then, that there is no audio of."""
    said = {
        key: f"menu.menus.{page}" if page else "menu"
        for key, page in (menu.prompts if menu else {}).items()
    }
    if calls_out:
        for prompt in (*CALLBACK_PROMPTS, *CALLING_PROMPTS):
            said.setdefault((prompt, ""), "callbacks")
    faults = [
        f"{where}: there is no prompt {prompt!r} in"
        f" {folder / language}; write its text into"
        f" {f'{language}.toml' if language else 'the texts file'} and run pln-ivr prompts build"
        for (prompt, language), where in said.items()
        if not is_built(folder, prompt, language)
    ]
    if faults:
        raise ConfigError("\n".join(faults))


def _choice(key: MenuKey) -> Choice:
    for kind, target in (
        (Kind.QUEUE, key.queue),
        (Kind.MENU, key.menu),
        (Kind.SAY, key.say),
    ):
        if target:
            return Choice(kind, target)
    return Choice(Kind(key.do))
