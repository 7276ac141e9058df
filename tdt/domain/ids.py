"""The ids that travel on the wire and between floors; each kind has its own type so that they cannot be mixed."""

from typing import NewType

AuthorityId = NewType("AuthorityId", int)
GroupId = NewType("GroupId", int)
AccountId = NewType("AccountId", int)
RouteId = NewType("RouteId", int)
ContentId = NewType("ContentId", int)
ActeId = NewType("ActeId", int)
"""An acte_transaction: what S2LOW calls transaction of the module ACTES."""
EnvelopeId = NewType("EnvelopeId", int)
ActeFileId = NewType("ActeFileId", int)
HeliosId = NewType("HeliosId", int)
HeliosRetourId = NewType("HeliosRetourId", int)
JobId = NewType("JobId", int)
AttemptId = NewType("AttemptId", int)
ReceivedId = NewType("ReceivedId", int)
NoticeId = NewType("NoticeId", int)
ActeMailId = NewType("ActeMailId", int)
BatchId = NewType("BatchId", int)
BatchFileId = NewType("BatchFileId", int)
SchemaSetId = NewType("SchemaSetId", int)
