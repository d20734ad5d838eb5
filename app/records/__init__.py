"""The ledger of records (học bạ số): appended once, read for ever, status read off its events."""

from app.records.clashes import find_clashes
from app.records.entry import Clash, Entry, ManagedRecord, ReplacementRule, SignatureView
from app.records.ledger import append, bases_for, issuers_of_replaced
from app.records.places import hold_places
from app.records.reading import (
    EventView,
    RecordView,
    SignedCount,
    SignedRecord,
    count_signed_with,
    events_of,
    find_record,
    ledger_page,
    pupil_records,
    read_xml,
    signatures_of,
    signed_with,
)
from app.records.status import RecordEventKind, RecordStatus, status_of

__all__ = [
    "Clash",
    "Entry",
    "EventView",
    "ManagedRecord",
    "RecordEventKind",
    "RecordStatus",
    "RecordView",
    "ReplacementRule",
    "SignatureView",
    "SignedCount",
    "SignedRecord",
    "append",
    "bases_for",
    "count_signed_with",
    "events_of",
    "find_clashes",
    "find_record",
    "hold_places",
    "issuers_of_replaced",
    "ledger_page",
    "pupil_records",
    "read_xml",
    "signatures_of",
    "signed_with",
    "status_of",
]
