"""Logs: structlog and the standard library through one renderer; columns for people, JSON lines for machines."""

import logging
import sys
from typing import Literal

import structlog


def configure(level: str, style: Literal["json", "console"]) -> None:
    """Set up logging for this process: one line an event, on stderr, constant event names, ids as fields."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer() if style == "json" else structlog.dev.ConsoleRenderer()
    )
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processor=renderer))
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)
    for name in ("aioimaplib", "aioftp", "asyncssh"):
        # at debug these print the content of mails, and sometimes passwords
        logging.getLogger(name).setLevel(logging.WARNING)


def protocol_logger() -> logging.Logger:
    """The logger to give to the HTTP library: a constant event, never the bytes that could not be parsed.

    These hold what a client sent, its credentials included; and anybody with a certificate can send any number of them.
    """
    logger = logging.getLogger("tdt.protocol")
    if not logger.filters:
        logger.addFilter(_keep_the_fact)
    return logger


def _keep_the_fact(record: logging.LogRecord) -> bool:
    fault = record.exc_info[0] if record.exc_info else None
    record.msg, record.args = "http.unreadable_request %s", (fault.__name__ if fault else "",)
    record.exc_info = record.exc_text = None
    record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True
