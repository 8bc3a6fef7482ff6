"""``POST /webhooks/ingestion``: who asks, may they, and the run that comes of it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from contracts.errors import IngestionError
from flows.prefect_api.runs import ACCEPTED, DEPLOYMENT, key_of, link_to
from metadata_api.callbacks import allowed
from metadata_api.checks import admit
from metadata_api.dispatcher import CALLBACK, CALLBACK_HOST, DUE, KEY
from metadata_api.errors import (
    IdempotencyError,
    error_body,
    headers_of,
    internal_error_body,
    status_of,
)
from metadata_api.limits import read_json_body
from metadata_api.requests import read_request
from metadata_api.sealed_urls import seal
from metadata_api.signing import verify

if TYPE_CHECKING:
    from starlette.requests import Request

    from metadata_api.requests import IngestionRequest
    from metadata_api.services import ApiServices
    from metadata_api.signing import Signed

REQUEST = "nucleus.request"
"""Label of a run: fingerprint of what was asked."""


async def receive(request: Request) -> JSONResponse:
    """Answer one webhook: 202 with ``{runId, state, link}``, or the refusal as ``{code, message, retryable, hint}``."""
    services: ApiServices = request.app.state.services
    try:
        body = await read_json_body(request, services.settings.body_bytes)
        answer = await run_in_threadpool(accept, services, dict(request.headers), body)
    except IngestionError as error:
        return refused(error)
    except Exception as error:  # noqa: BLE001 - the last place that can make an answer of it
        return JSONResponse(internal_error_body(error), 500)
    return JSONResponse(answer, 202, headers={"location": answer["link"]})


def accept(services: ApiServices, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """Everything between the bytes and the run.

    Raises:
        IngestionError: Refused; nothing was started.
    """
    signed = verify(headers, body, services.settings.signing_keys)
    services.limiter.take(signed.key_id)
    for digest in signed.digests:
        services.replays.take(digest)
    return start(services, read_request(body), signed)


def start(services: ApiServices, request: IngestionRequest, signed: Signed) -> dict[str, Any]:
    """Check the request and create its run, or find the one that its idempotency key made before."""
    callback = {} if request.callback_url is None else _callback_labels(services, request.callback_url, signed.key_id)
    admitted = admit(services.workspace, services.metadata, request)
    services.workspace.holds.require_free(admitted.ref)
    asked = hashlib.sha256(request.model_dump_json(exclude={"idempotency_key"}).encode()).hexdigest()
    run = services.runs.start(
        DEPLOYMENT,
        admitted.parameters,
        key=key_of("webhook", request.idempotency_key or signed.digests[0]),
        labels={KEY: signed.key_id, REQUEST: asked, **callback},
        tags=(ACCEPTED, DUE) if callback else (ACCEPTED,),
    )
    if run.labels.get(REQUEST) != asked:
        raise IdempotencyError("The idempotencyKey was used for another request", "Use a new key for a new request.")
    return {"runId": run.run_id, "state": run.state, "link": link_to(services.api_url, run.run_id)}


def _callback_labels(services: ApiServices, url: str, key_id: str) -> dict[str, str]:
    """Where the run's end is announced: the host for people, the rest of the URL for this API only."""
    target = allowed(url, services.settings)
    return {CALLBACK: seal(url, key_id, services.settings.signing_keys), CALLBACK_HOST: target.host}


def refused(error: IngestionError) -> JSONResponse:
    """The answer to a typed error; a rate limit says when to come back."""
    return JSONResponse(error_body(error), status_of(error), headers=headers_of(error))
