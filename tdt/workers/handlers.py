"""Which flow does which job."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from tdt.config import Config
from tdt.deps import Deps
from tdt.domain.ids import (
    ActeId,
    ActeMailId,
    AuthorityId,
    ContentId,
    EnvelopeId,
    HeliosId,
    NoticeId,
    ReceivedId,
)
from tdt.domain.jobs import FIRST_RETRY, Job, JobKind
from tdt.flows import (
    actes_documents,
    actes_receive,
    actes_send,
    actes_submit,
    contents,
    helios_receive,
    helios_send,
    notices,
)

Handler = Callable[[Deps, int], Awaitable[None]]

HANDLERS: Mapping[JobKind, Handler] = {
    JobKind.CONTENT_ARCHIVE: lambda deps, number: contents.archive(deps, ContentId(number)),
    JobKind.ACTES_ANALYSE: lambda deps, number: actes_send.analyse(deps, ActeId(number)),
    JobKind.ACTES_PACKAGE: lambda deps, number: actes_send.package(deps, EnvelopeId(number)),
    JobKind.ACTES_TRANSMIT: lambda deps, number: actes_send.transmit(deps, EnvelopeId(number)),
    JobKind.ACTES_INGEST: lambda deps, number: actes_receive.ingest(deps, ReceivedId(number)),
    JobKind.ACTES_ACKNOWLEDGE: lambda deps, number: actes_send.acknowledge(deps, ActeId(number)),
    JobKind.ACTES_CLASSIFICATION: lambda deps, number: actes_submit.renew_classification(deps, AuthorityId(number)),
    JobKind.ACTES_DAILY_CLASSIFICATION: lambda deps, number: actes_submit.renew_classification_daily(
        deps, AuthorityId(number)
    ),
    JobKind.HELIOS_ANALYSE: lambda deps, number: helios_send.analyse(deps, HeliosId(number)),
    JobKind.HELIOS_TRANSMIT: lambda deps, number: helios_send.transmit(deps, HeliosId(number)),
    JobKind.HELIOS_SCHEMA: lambda deps, number: helios_send.check_schema(deps, HeliosId(number)),
    JobKind.HELIOS_INDEX: lambda deps, number: helios_send.index(deps, HeliosId(number)),
    JobKind.HELIOS_INGEST: lambda deps, number: helios_receive.ingest(deps, ReceivedId(number)),
    JobKind.HELIOS_REREAD: lambda deps, _: helios_receive.reread_all(deps),
    JobKind.NOTICE_SEND: lambda deps, number: notices.send(deps, NoticeId(number)),
    JobKind.ACTE_NOTIFY: lambda deps, number: actes_documents.send(deps, ActeMailId(number)),
}


def first_retry(config: Config, job: Job) -> timedelta:
    """How long to wait before the second try: the State's pace for what goes to the State."""
    if job.kind is JobKind.ACTES_TRANSMIT:
        return timedelta(seconds=config.actes.retry_seconds)
    if job.kind is JobKind.HELIOS_TRANSMIT:
        return timedelta(seconds=config.helios.retry_seconds)
    return FIRST_RETRY
