"""Log lines: JSON on standard output, the call id in each line of a call.

Levels: debug, for one's own bench; info, the story of a call and of the service;
warning, something was lost or late but the service goes on by itself; error, a person
should look. Phone numbers and pressed digits never appear in the text or as fields.
"""

from __future__ import annotations

import logging
import sys

import structlog

from pln_ivr.config.node import Log


def set_up(settings: Log) -> None:
    """Configure structlog once, at the start of the process."""
    renderer: structlog.typing.Processor
    if settings.format == "json":
        renderer = structlog.processors.JSONRenderer()
        tracebacks: structlog.typing.Processor = structlog.processors.format_exc_info
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
        tracebacks = _as_it_is
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            tracebacks,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[settings.level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )


def _as_it_is(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    return event
