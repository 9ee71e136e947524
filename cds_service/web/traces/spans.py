"""The spans of a request: itself, the steps that metrics time, and what it asks of other servers.

All that a span says stands here, and is in words of our own: routes, statuses, steps, decisions, origins of servers
that the site names. Addresses, queries, headers, bodies and the messages of errors may quote a chart, and are in none.
Of a caller's context only `traceparent` is taken over, which is numbers; `tracestate` and `baggage` are free text.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Response, g, request
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, SpanKind, StatusCode, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from cds_service import __version__
from cds_service.chart.server import Server
from cds_service.chart.visit import NotAnswered, Request
from cds_service.errors import CallError, SettingsError
from cds_service.knowledge import Knowledge
from cds_service.service import Timed
from cds_service.web.front import WATCHED
from cds_service.web.logs import REQUEST
from cds_service.web.traces.sending import Sending

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_NAME: Final = "anakinra-cds"
_METHODS: Final = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
_OTHER_METHOD: Final = "_OTHER"
# An exception is told by its kind: the SDK would add its message and its stack.
_QUIET: Final[Mapping[str, Any]] = {"record_exception": False, "set_status_on_exception": False}
_PROPAGATOR: Final = TraceContextTextMapPropagator()


class Tracing:
    """Makes the spans of one process and sends them where the variables OTEL_* of OpenTelemetry's SDK say."""

    def __init__(self, knowledge: Knowledge, timed: Timed, lost: Callable[[int], None]) -> None:
        """`timed` is told of each step too; `lost` of how many spans nobody took. Make it after a fork.

        Raises SettingsError where a variable OTEL_* cannot be used.
        """
        self._timed = timed
        self._served = {"anakinra_cds.site": knowledge.site.id, "anakinra_cds.knowledge": knowledge.digest}
        # How it ends is `Sending`'s affair.
        provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        try:
            self._sending = Sending(OTLPSpanExporter(), lost)
        except ValueError as error:
            raise SettingsError(f"CDS_TRACING: a variable OTEL_* cannot be used: {error}") from None
        provider.add_span_processor(self._sending)
        self._tracer = provider.get_tracer(_NAME, __version__)
        # From here on it would say for each request what is wrong with a header, and what `Sending` says once.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)

    def install(self, app: Flask) -> None:
        """Make a span of each request of `app`, but for those that only watch."""
        app.wsgi_app = self._around(app.wsgi_app)  # type: ignore[method-assign,assignment] # as Flask means it
        app.after_request(self._answered)

    @contextmanager
    def step(self, step: str, began: float | None = None) -> Iterator[None]:
        """Holds while one step of a call is taken; `began`, by `perf_counter`, where that was before."""
        start = None if began is None else time.time_ns() - int((time.perf_counter() - began) * 1e9)
        with self._tracer.start_as_current_span(step, start_time=start, **_QUIET) as span, self._timed(step, began):
            try:
                yield
            except CallError:  # a refusal is an answer
                raise
            except Exception as error:
                _failed(span, type(error).__name__)
                raise

    @contextmanager
    def asking(self, server: Server, method: str) -> Iterator[Request]:
        """Holds while one request is at another server. Only the FHIR server of a call, which the site trusts, is told
        which trace it belongs to."""
        base, asked = server.base, Request()
        told: dict[str, str | int] = {"http.request.method": method, "url.scheme": base.scheme}
        told |= {"server.address": base.host, "server.port": base.port}
        with self._tracer.start_as_current_span(method, kind=SpanKind.CLIENT, attributes=told, **_QUIET) as span:
            if server.token:
                _PROPAGATOR.inject(asked.headers)
            try:
                yield asked
            except Exception as error:
                # NotAnswered says why in words of our own; any other message may quote what was sent.
                why = str(error) if isinstance(error, NotAnswered) else ""
                _failed(span, str(asked.status or type(error).__name__), why)
                raise
            finally:
                if asked.status:
                    span.set_attribute("http.response.status_code", asked.status)

    def _around(self, inner: WSGIApplication) -> WSGIApplication:
        def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            if environ.get("PATH_INFO") in WATCHED:
                return inner(environ, start_response)
            caller = _PROPAGATOR.extract({"traceparent": environ.get("HTTP_TRACEPARENT", "")})
            with self._tracer.start_as_current_span("request", caller, SpanKind.SERVER, self._served, **_QUIET):
                return inner(environ, start_response)

        return application

    def _answered(self, response: Response) -> Response:
        span, method = get_current_span(), request.method if request.method in _METHODS else _OTHER_METHOD
        route = request.url_rule.rule if request.url_rule is not None else ""
        span.update_name(" ".join(("HTTP" if method == _OTHER_METHOD else method, route)).strip())
        told: dict[str, str | int | list[str]] = {
            "http.request.method": method,
            "http.response.status_code": response.status_code,
            "anakinra_cds.request": REQUEST.get(),
        }
        if route:
            told["http.route"] = route
        if call := g.get("told"):
            told |= {f"anakinra_cds.{name}": call[name] for name in ("service", "hook", "decisions")}
            told["anakinra_cds.cards"] = len(call["decisions"])
        span.set_attributes(told)
        if response.status_code >= 500:
            _failed(span, str(response.status_code))
        return response


def _failed(span: Span, kind: str, why: str = "") -> None:
    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR, why or None)


def _resource() -> Resource:
    """Who sends: as OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say, else under our own name."""
    found = Resource.create({SERVICE_VERSION: __version__})
    named = not str(found.attributes[SERVICE_NAME]).startswith("unknown_service")
    return found if named else found.merge(Resource({SERVICE_NAME: _NAME}))
