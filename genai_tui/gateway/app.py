"""The gateway as an ASGI application: key, model, sharing, limits; then the engine."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from genai_tui.domain.keys import KeyRecord
from genai_tui.domain.limits import Admission, Caller, OpenWindow, Unit, Windows, reset_text
from genai_tui.domain.rows import Ref
from genai_tui.domain.text import printable
from genai_tui.domain.usage import RequestRecord, Source
from genai_tui.gateway.asking import ClientGone, read, read_body
from genai_tui.gateway.directory import Directory, Offer, Served
from genai_tui.gateway.exchange import SILENCE_LIMIT_S, Begun, Exchange, Way
from genai_tui.gateway.front import LEFT, Front, Note, note_of
from genai_tui.gateway.keyring import Keyring
from genai_tui.gateway.metrics import Metrics
from genai_tui.gateway.recorder import Recorder
from genai_tui.gateway.refusals import SERVER, Refused, over_limit, unknown_model
from genai_tui.gateway.refused import Refusals

log = logging.getLogger(__name__)

ASKING = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/rerank")
_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-real-ip")
STOPPED = "gateway stopped"
"""The finish reason of a request whose gateway was killed."""


class Gateway:
    """All that a request needs. `directory` and `keyring` are fed from the cluster while it runs."""

    def __init__(
        self,
        *,
        cluster: str,
        reach: Callable[[Ref], Way],
        recorder: Recorder,
        clock: Callable[[], datetime],
        steady: Callable[[], float] = time.monotonic,
        refusals: Refusals | None = None,
        silence_s: float = SILENCE_LIMIT_S,
    ) -> None:
        """Make it, serving nothing yet.

        Args:
            cluster: the API server's address, for the ledger.
            reach: the way to a deployment's engine.
            recorder: keeps requests.
            clock: the time.
            steady: seconds that only grow, for windows.
            refusals: keeps what is refused; None for nowhere.
            silence_s: how long an engine may say nothing.
        """
        self._refusals = refusals
        self.directory, self.keyring = Directory(), Keyring(clock)
        self.windows, self.metrics, self.recorder = Windows(), Metrics(), recorder
        self._cluster, self._reach, self._clock, self._steady = cluster, reach, clock, steady
        self._silence_s = silence_s
        self._metrics_apart = False
        self.metrics.ledger_waiting.set_function(lambda: recorder.waiting)

    def app(self) -> Front:
        """The application. Paths are taken with and without /v1, as clients differ in what they call a base URL."""
        asking = _Asking(self)
        routes = [Route("/metrics", self._metrics), Route("/healthz", self._healthz)]
        for path in ASKING:
            routes += [Route(path, asking, methods=["POST"]), Route(path.removeprefix("/v1"), asking, methods=["POST"])]
        for prefix in ("/v1", ""):
            routes += [Route(f"{prefix}/models", self._models), Route(f"{prefix}/models/{{model:path}}", self._model)]
        handlers = {404: self._no_path, 405: self._wrong_method, Refused: self._refusal, Exception: self._failed}
        app = Starlette(routes=routes, exception_handlers=handlers)  # type: ignore[arg-type]  # keys of all kinds
        app.router.redirect_slashes = False
        return Front(app)

    async def ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A request for a model. Raises Refused."""
        note = note_of(scope)
        try:
            key = note.key = self.keyring.authenticate(scope["headers"])
            body = await read_body(scope, receive)
            path = scope["path"] if scope["path"].startswith("/v1/") else f"/v1{scope['path']}"
            asked = read(path, body)
            served = note.served = self.directory.route(asked.model, key)
            note.headers = self._admit(served, key)
            record = self._begin(note.id, served, key)
            caller = _caller(key)

            def finished(row: RequestRecord, tokens: int) -> None:
                note.row = row
                self._finished(row, str(served.ref), caller, tokens)

            begun = Begun(asked, served, record, note.headers, note.began)
            exchange = Exchange(begun, self._reach(served.ref), finished, self._silence_s)
            note.let_in = True
            self.metrics.in_flight.inc()
            try:
                await exchange.run(receive, send)
            finally:
                self.metrics.in_flight.dec()
        except ClientGone:
            note.status = LEFT

    def _count_refusal(self, refused: Refused, note: Note) -> None:
        """One that was let in first is a request that failed, and a row of its own."""
        self.metrics.refused(refused.status)
        if self._refusals is not None and not note.let_in:
            ref = note.served.ref if note.served is not None else refused.ref
            self._refusals.note(refused.status, refused.code or "", str(refused), note.key, ref)

    def malformed(self, status: int, why: str, client: str) -> str:
        """A request that is no HTTP was refused; the id it gets."""
        note = Note(client, "-", "-")
        note.status = status
        self._count_refusal(Refused(status, why, code="invalid_http"), note)
        note.write()
        return note.id

    def _admit(self, served: Served, key: KeyRecord) -> dict[str, str]:
        """Check the limits and count the request; the headers that say what is left. Raises Refused 429."""
        deployment, caller = str(served.ref), _caller(key)
        admission = self.windows.admit(deployment, caller, served.document.spec.rate_limits, self._steady())
        headers = limit_headers(admission)
        if not admission.admitted:
            self.metrics.limited(served.ref, admission)
            raise over_limit(admission, headers)
        return headers

    def _begin(self, request_id: str, served: Served, key: KeyRecord) -> RequestRecord:
        """Note the request before the engine sees it. Raises Refused 503 when nothing can be noted."""
        pricing = served.document.spec.pricing
        record = RequestRecord(
            id=request_id,
            at=self._clock(),
            source=Source.GATEWAY,
            cluster=self._cluster,
            namespace=served.ref.namespace,
            deployment=served.ref.name,
            model=served.model,
            usage=None,
            price=pricing.price if pricing is not None else None,
            timings=None,
            status="error",
            finish_reason=STOPPED,
            organization=key.organization,
            user=key.user,
            key=key.id,
        )
        try:
            self.recorder.begin(record)
        except OSError as error:
            log.error("requests are refused, since none can be recorded: %s", error)
            raise Refused(503, "The gateway cannot record requests now.", kind=SERVER, code="not_recorded") from error
        return record

    def _finished(self, row: RequestRecord, deployment: str, caller: Caller, tokens: int) -> None:
        self.windows.charge(deployment, caller, tokens, self._steady())
        self.recorder.end(row)
        self.metrics.ended(row)

    def open_windows(self, deployment: str) -> list[OpenWindow]:
        """The counters of a deployment whose windows are open."""
        return self.windows.open(deployment, self._steady())

    # -- the rest -----------------------------------------------------------------------------------------------

    async def _models(self, request: Request) -> Response:
        offers = self.directory.offers(self.keyring.authenticate(request.headers.raw))
        return JSONResponse({"object": "list", "data": [_listed(offer) for offer in offers]})

    async def _model(self, request: Request) -> Response:
        key, name = self.keyring.authenticate(request.headers.raw), request.path_params["model"]
        offers = self.directory.offers(key)
        offer = next((offer for offer in offers if name in (offer.name, str(offer.served.ref))), None)
        if offer is None:
            raise unknown_model(name)
        return JSONResponse(_listed(replace(offer, name=name)))

    def metrics_app(self) -> Starlette:
        """Metrics alone, for a port that is not the callers'. They are then nowhere else."""
        self._metrics_apart = True
        return Starlette(routes=[Route("/metrics", self._page)])

    async def _page(self, _: Request) -> Response:
        return Response(self.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _metrics(self, request: Request) -> Response:
        """They name organizations and deployments: for callers there is no such page."""
        if self._metrics_apart or not _from_here(request):
            raise _unknown_url(request)
        return await self._page(request)

    async def _healthz(self, _: Request) -> Response:
        data = {"status": "ok" if self.recorder.problem is None else "the ledger takes nothing"}
        return JSONResponse(data, 200 if self.recorder.problem is None else 503)

    async def _refusal(self, request: Request, refused: Refused) -> Response:
        note = note_of(request.scope)
        self._count_refusal(refused, note)
        return refused.response(note.headers)

    async def _no_path(self, request: Request, _: Exception) -> Response:
        return await self._refusal(request, _unknown_url(request))

    async def _wrong_method(self, request: Request, error: Exception) -> Response:
        why = f"{request.method} is not allowed for {printable(request.url.path[:120])}."
        # Its headers say what is: Allow.
        headers = error.headers if isinstance(error, HTTPException) else None
        return await self._refusal(request, Refused(405, why, code="method_not_allowed", headers=headers))

    async def _failed(self, request: Request, _: Exception) -> Response:
        why = f"The gateway failed; its log has the request {note_of(request.scope).id}."
        return await self._refusal(request, Refused(500, why, kind=SERVER))


class _Asking:
    """`Gateway.ask` as an ASGI application: Starlette would wrap a function's answer in a response."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._gateway.ask(scope, receive, send)


def limit_headers(admission: Admission) -> dict[str, str]:
    """OpenAI's six, of the tightest level; none for what is not limited."""
    headers: dict[str, str] = {}
    for unit in Unit:
        reading = admission.tightest(unit)
        if reading is not None:
            headers[f"x-ratelimit-limit-{unit}"] = str(reading.limit)
            headers[f"x-ratelimit-remaining-{unit}"] = str(reading.remaining)
            headers[f"x-ratelimit-reset-{unit}"] = reset_text(reading.resets_in)
    return headers


def _caller(key: KeyRecord) -> Caller:
    return Caller(key.organization, key.user, key.id)


def _listed(offer: Offer) -> dict[str, object]:
    """An entry of /v1/models; `root` is the model behind it, as vLLM writes it."""
    return {
        "id": offer.name,
        "object": "model",
        "created": int(offer.served.created.timestamp()) if offer.served.created is not None else 0,
        "owned_by": offer.served.ref.namespace,
        "root": offer.served.model,
    }


def _unknown_url(request: Request) -> Refused:
    why = f"Unknown request URL: {request.method} {printable(request.url.path[:120])}."
    return Refused(404, why, code="unknown_url")


def _from_here(request: Request) -> bool:
    """Whether a process of this machine asks for itself: a proxy in front would ask for anybody."""
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        address = ipaddress.ip_address(request.client.host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
