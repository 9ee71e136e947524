"""Hands over one patient's whole chart: what came with the call, then what its FHIR server has, within one deadline."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from cds_service.chart.chart import Chart, Enough, QueryKind, medications_sent, open_chart
from cds_service.chart.prefetch import filled
from cds_service.chart.read import Medications, Read, ReadCache
from cds_service.chart.source import Asked, Source
from cds_service.hook_call import HookCall


@dataclass(frozen=True, slots=True)
class Reader:
    """What is read of every patient: `searches` are those of a FHIR server, by query, `not_kept` the queries that
    this site's EHR has nothing for. One for all calls."""

    queries: Mapping[str, QueryKind]
    searches: Mapping[str, str]
    not_kept: Collection[str]
    source: Source
    cache: ReadCache

    def of(self, call: HookCall) -> CallReader:
        """The reader of one call; nothing is read yet."""
        return CallReader(self, call, self.source.of(call))


@dataclass(frozen=True, slots=True)
class CallReader:
    """Everything that is read for one call, in one trip to its server."""

    reader: Reader
    call: HookCall
    server: Asked

    def medications(self) -> Medications:
        """The Medications that the draft orders refer to, by reference."""
        reader, call = self.reader, self.call

        def sent() -> Medications:
            return medications_sent(call.prefetch, call.patient_id, reader.queries, reader.cache)

        return self.server.drugs_of(call.draft_orders, call.draft_urls, sent)

    def chart(self, wanted: Collection[str], now: datetime) -> Chart:
        """The chart; from the FHIR server only the `wanted` queries that prefetch leaves open."""
        reader, call = self.reader, self.call
        needed = {name: text for name, text in reader.searches.items() if name in wanted}

        def second(lacking: Mapping[str, Read], enough: Enough) -> Mapping[str, Read]:
            return self.server.complete(filled(needed, call.patient_id), lacking, enough)

        prefetch = {**dict.fromkeys(reader.not_kept, b"null"), **call.prefetch}
        return open_chart(prefetch, call.patient_id, reader.queries, reader.cache, now, second)
