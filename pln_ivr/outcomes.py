"""How a call can end: a closed set of outcomes, each with a bounded set of reasons.

The same words stand in the journal, the log and the metrics, so that a figure on a
dashboard can be looked up in the journal without a dictionary.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """What became of a call."""

    ANSWERED = "answered"  # caller and agent talked
    ABANDONED = "abandoned"  # the caller hung up before an agent was there
    REJECTED = "rejected"  # no seat was given: the caller heard a busy tone
    RELEASED = "released"  # told why no agent comes, and let go
    UNREACHED = "unreached"  # we called the customer, and it came to no conversation
    FAILED = "failed"  # our side ended it: a fault, not a decision


class Reason(StrEnum):
    """Why. Each reason belongs to one result, see REASONS."""

    CALLER_HUNG_UP = "caller_hung_up"  # answered: the caller ended the conversation
    AGENT_HUNG_UP = "agent_hung_up"  # answered: the agent did
    MEDIA_LOST = "media_lost"  # answered: RTP stopped and Asterisk ended it (cause 44)
    UNSEEN = "unseen"  # answered: it ended while this program was away; who hung up is not known

    BEFORE_ANSWER = "before_answer"  # abandoned: cancelled while we were answering
    IN_NOTICE = "in_notice"
    IN_STATEMENT = "in_statement"
    IN_MENU = "in_menu"
    IN_RELEASE = "in_release"
    IN_WAITING = "in_waiting"
    IN_RINGING = "in_ringing"

    FULL = "full"  # rejected: every seat is taken
    DRAINING = "draining"  # rejected: this node is being stopped
    ARRIVAL_LIMIT = "arrival_limit"  # rejected: more calls a second than admission allows
    DISK_FULL = "disk_full"  # rejected: no room for recordings, and the policy is to refuse

    QUEUE_FULL = "queue_full"  # released: the line and those it overflows to are full
    WAITED_TOO_LONG = "waited_too_long"  # released: the line's longest wait is over
    INFORMED = "informed"  # released: by a choice in the menu, which told what there was to tell
    CALLBACK = "callback"  # released: we call back, and the place in the line is kept
    ANNOUNCED = "announced"  # released: heard the statement, on a brief visit, and wanted no more
    REPORTED = "reported"  # released: reported an outage, and hung up or keyed for the end
    NO_ROOM = "no_room"  # released: heard the statement, and there was no room to wait for an agent

    AGENT_GONE = "agent_gone"  # unreached: the agent did not pick up, or hung up first
    CUSTOMER_BUSY = "customer_busy"  # unreached
    CUSTOMER_NO_ANSWER = "customer_no_answer"  # unreached: rang in vain, or was declined
    CUSTOMER_UNREACHABLE = "customer_unreachable"  # unreached: the carrier cannot reach the number
    NOT_NEEDED = "not_needed"  # unreached: called us meanwhile, or are to be called no more
    MACHINE = "machine"  # unreached: something picked up, and nobody pressed to be connected
    TRUNK_REFUSED = "trunk_refused"  # unreached: the carrier takes no call at all, or Asterisk none

    ERROR = "error"  # failed: a bug; the traceback is in the log with the call id
    PBX = "pbx"  # failed: Asterisk refused, did not answer in time or went away
    SHUTDOWN = "shutdown"  # failed: the drain deadline passed with the call still up


REASONS: dict[Result, frozenset[Reason]] = {
    Result.ANSWERED: frozenset(
        {Reason.CALLER_HUNG_UP, Reason.AGENT_HUNG_UP, Reason.MEDIA_LOST, Reason.UNSEEN}
    ),
    Result.ABANDONED: frozenset(
        {
            Reason.BEFORE_ANSWER,
            Reason.IN_NOTICE,
            Reason.IN_STATEMENT,
            Reason.IN_MENU,
            Reason.IN_RELEASE,
            Reason.IN_WAITING,
            Reason.IN_RINGING,
        }
    ),
    Result.REJECTED: frozenset(
        {Reason.FULL, Reason.DRAINING, Reason.ARRIVAL_LIMIT, Reason.DISK_FULL}
    ),
    Result.RELEASED: frozenset(
        {
            Reason.QUEUE_FULL,
            Reason.WAITED_TOO_LONG,
            Reason.INFORMED,
            Reason.CALLBACK,
            Reason.ANNOUNCED,
            Reason.REPORTED,
            Reason.NO_ROOM,
        }
    ),
    Result.UNREACHED: frozenset(
        {
            Reason.AGENT_GONE,
            Reason.CUSTOMER_BUSY,
            Reason.CUSTOMER_NO_ANSWER,
            Reason.CUSTOMER_UNREACHABLE,
            Reason.NOT_NEEDED,
            Reason.MACHINE,
            Reason.TRUNK_REFUSED,
        }
    ),
    Result.FAILED: frozenset({Reason.ERROR, Reason.PBX, Reason.SHUTDOWN}),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one call ended."""

    result: Result
    reason: Reason

    def __post_init__(self) -> None:
        if self.reason not in REASONS[self.result]:
            raise ValueError(f"{self.reason} is no reason for {self.result}")


class Direction(StrEnum):
    """Who called."""

    INBOUND = "inbound"  # the customer
    OUTBOUND = "outbound"  # we did


class Stage(StrEnum):
    """Where in its visit a call is. Order of declaration is the order of a full visit; a call
    that we place begins with ringing the agent, then dialling the customer."""

    ADMISSION = "admission"
    NOTICE = "notice"
    STATEMENT = "statement"
    RELEASE = "release"
    MENU = "menu"
    WAITING = "waiting"
    RINGING = "ringing"
    DIALLING = "dialling"
    TALKING = "talking"
    ENDED = "ended"


NOT_REACHED = Outcome(Result.UNREACHED, Reason.CUSTOMER_NO_ANSWER)
"""How a call that we placed ended if all that is known is that nobody picked up."""

GONE_IN: dict[Stage, Outcome] = {
    Stage.ADMISSION: Outcome(Result.ABANDONED, Reason.BEFORE_ANSWER),
    Stage.NOTICE: Outcome(Result.ABANDONED, Reason.IN_NOTICE),
    Stage.STATEMENT: Outcome(Result.ABANDONED, Reason.IN_STATEMENT),
    Stage.RELEASE: Outcome(Result.ABANDONED, Reason.IN_RELEASE),
    Stage.MENU: Outcome(Result.ABANDONED, Reason.IN_MENU),
    Stage.WAITING: Outcome(Result.ABANDONED, Reason.IN_WAITING),
    Stage.RINGING: Outcome(Result.ABANDONED, Reason.IN_RINGING),
    Stage.DIALLING: NOT_REACHED,
}
"""How a call ends whose customer goes before the conversation."""


class MenuEnd(StrEnum):
    """How a caller left the menu."""

    CHOSEN = "chosen"  # keyed a line
    AGENT = "agent"  # keyed for an agent
    NO_INPUT = "no_input"  # pressed nothing: a caller without a keypad, or one who wants a person
    INVALID = "invalid"  # pressed what means nothing
    TOO_MANY_KEYS = "too_many_keys"  # went round and round
    CALLBACK = "callback"  # is called back
    LET_GO = "let_go"  # keyed that there is nothing more to say, or has said it all in a report


class BriefEnd(StrEnum):
    """How a brief visit ended: one of a caller who has heard the statement and had no seat to stay
    in."""

    ANNOUNCED = "announced"  # chose nothing, and was let go
    REPORTED = "reported"  # reported an outage
    CALLBACK = "callback"  # is called back
    NO_ROOM = "no_room"  # wanted to wait for an agent, or needed one, and could not
    WAITS = "waits"  # could: goes on to the line
    HUNG_UP = "hung_up"  # in the middle of it, or lost with its call


class ReportEnd(StrEnum):
    """What became of a caller's wish to report an outage."""

    REGISTERED = "registered"  # a new report
    REPEATED = "repeated"  # the customer's report was there already
    AGENT = "agent"  # the caller would rather talk with somebody
    NO_INPUT = "no_input"  # pressed nothing
    INVALID = "invalid"  # keyed no customer number, so many times
    UNAVAILABLE = "unavailable"  # the journal could not take it
    HUNG_UP = "hung_up"  # in the middle of it, or lost with its call


class BillEnd(StrEnum):
    """What became of a caller's wish to hear the bill."""

    TOLD = "told"
    UNKNOWN = "unknown"  # there is no such customer
    AGENT = "agent"  # the caller would rather talk with somebody
    NO_INPUT = "no_input"  # pressed nothing
    INVALID = "invalid"  # keyed no customer number, so many times
    UNAVAILABLE = "unavailable"  # it could not be looked up
    HUNG_UP = "hung_up"  # in the middle of it, or lost with its call


class ReportStatus(StrEnum):
    """Where a report of an outage stands."""

    OPEN = "open"
    RESTORED = "restored"  # power is back, the field says
    EXPIRED = "expired"  # nobody said so in time: what is reported now is another outage


class CallbackEnd(StrEnum):
    """What became of a caller's wish to be called back."""

    NOTED = "noted"  # there is a new callback
    REPEATED = "repeated"  # it was noted already
    WAITS = "waits"  # the caller would rather wait
    NO_INPUT = "no_input"  # pressed nothing
    INVALID = "invalid"  # keyed no number that we can call, so many times
    UNAVAILABLE = "unavailable"  # the journal could not take it
    HUNG_UP = "hung_up"  # in the middle of it, or lost with its call


class CallbackStatus(StrEnum):
    """Where a callback stands."""

    WAITING = "waiting"
    CALLING = "calling"  # an attempt is under way
    REACHED = "reached"  # they talked; or were told that power is back
    UNREACHED = "unreached"  # after the last attempt
    EXPIRED = "expired"  # nobody came to it in time
    CANCELLED = "cancelled"  # by somebody


class CallbackResult(StrEnum):
    """What became of one attempt."""

    TALKED = "talked"
    CAME = "came"  # the customer called us, and they talked
    INFORMED = "informed"  # was told that power is back
    REOPENED = "reopened"  # was told so, and pressed that it is not
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    MACHINE = "machine"  # nobody pressed, or the agent said so
    HUNG_UP = "hung_up"  # picked up, and left before an agent was there
    UNREACHABLE = "unreachable"
    INTERRUPTED = "interrupted"  # this program or Asterisk died meanwhile, or a fault of ours
    TRUNK_REFUSED = "trunk_refused"  # from here on nothing that the customer did
    AGENT_GONE = "agent_gone"
    NO_SEAT = "no_seat"
    GAVE_WAY = "gave_way"  # the customer called us meanwhile


class StatementStatus(StrEnum):
    """How far a statement on an outage has come. Order of declaration is the order of its life."""

    DRAFT = "draft"
    APPROVED = "approved"  # by somebody else than who drafted it
    LIVE = "live"  # callers hear it
    EXPIRED = "expired"  # nobody renewed it in time
    WITHDRAWN = "withdrawn"  # by somebody, or replaced by a newer one


class OfferResult(StrEnum):
    """What became of one offer of a call to an agent."""

    ANSWERED = "answered"  # the agent picked up and the conversation began
    MISSED = "missed"  # rang until the deadline: the third-ring rule
    BUSY = "busy"  # the phone said busy (486, 600)
    DECLINED = "declined"  # the agent pressed reject (603, 403)
    UNREACHABLE = "unreachable"  # not registered, no answer from the phone, or never rang
    CALLER_GONE = "caller_gone"  # the caller hung up while it rang: nobody's fault
    NOT_REACHED = "not_reached"  # the agent called a customer, who was not there
    FAILED = "failed"  # our side: refused by Asterisk, or the recording did not start
    NO_ANSWER = "no_answer"  # rang to the deadline, but no customer waited for it


class TalkEnd(StrEnum):
    """How an agent's part in a conversation ended."""

    CALLER_HUNG_UP = "caller_hung_up"
    AGENT_HUNG_UP = "agent_hung_up"
    TRANSFERRED = "transferred"  # the caller went on to somebody else
    CONSULTED = "consulted"  # asked by a colleague, did not talk with the caller
    TAKEN_OVER = "taken_over"  # by a supervisor
    MEDIA_LOST = "media_lost"
    UNSEEN = "unseen"  # while this program was away
    FAILED = "failed"  # our side


class IncidentKind(StrEnum):
    """What a conduct incident is about. Evidence for a person to review, never a verdict."""

    MISSED_THIRD_RING = "missed_third_ring"  # the phone rang to the deadline
    HUNG_UP_ON_CUSTOMER = "hung_up_on_customer"  # the agent hung up while the customer spoke


class Review(StrEnum):
    """What a person made of an incident."""

    NEW = "new"
    UPHELD = "upheld"
    DISMISSED = "dismissed"


class FlagResult(StrEnum):
    """What became of a white flag."""

    HELPED = "helped"  # a supervisor was on the line
    WITHDRAWN = "withdrawn"  # the agent lowered it
    UNANSWERED = "unanswered"  # the conversation ended before anybody came


class Supervision(StrEnum):
    """How a supervisor is in a conversation."""

    LISTEN = "listen"  # hears both, is heard by nobody
    WHISPER = "whisper"  # hears both, is heard by the agent alone
    BARGE = "barge"  # is heard by both
    TAKE_OVER = "take_over"  # instead of the agent


class RecordingFault(StrEnum):
    """What is odd about a recording: a person should listen. The rest of it is proven all the
    same."""

    SHORT = "short"  # over a second shorter than the conversation
    CUSTOMER_SILENT = "customer_silent"  # no sound from this side: a one-way call
    AGENT_SILENT = "agent_silent"
    CUSTOMER_FELL_SILENT = "customer_fell_silent"  # spoke, then nothing at all to the end
    AGENT_FELL_SILENT = "agent_fell_silent"
    HEARD_IN_PAUSE = "heard_in_pause"  # there is sound where the recording was paused


class PauseEnd(StrEnum):
    """What ended a recording pause."""

    RESUMED = "resumed"  # somebody ordered it
    LIMIT = "limit"  # forgotten: recordings.pause_seconds were over
    CONVERSATION = "conversation"  # the agent's part was over
    REFUSED = "refused"  # Asterisk did not pause it at all


class PersonAct(StrEnum):
    """What somebody did with all that is held about one person."""

    EXPORT = "export"  # took a copy of it
    ERASE = "erase"  # for good


class Access(StrEnum):
    """What somebody did with a recording."""

    PLAY = "play"  # listened to it
    EXPORT = "export"  # took a copy
    HOLD = "hold"  # put it on legal hold: nothing deletes it
    RELEASE = "release"  # ended that
    DELETE = "delete"  # for good
