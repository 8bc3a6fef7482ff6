"""One request of a browser, as the pages see it; and the frame around every page: session, forms, headers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from contracts.errors import IngestionError
from metadata_api.console.client import ConsoleClient, OperationRefusedError, SharedAnswers
from metadata_api.console.rendering import Toast, error_toast, rendered
from metadata_api.console.sessions import SESSION_S, ConsoleSession, Sessions, cookie_name, is_genuine
from metadata_api.errors import FormRefusedError, TooLargeError, internal_error_body, status_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from typing import Any

    from starlette.requests import Request

    from metadata_api.services import ApiServices

FRAGMENT = "x-console-fragment"
"""Header of a request from the page's script, which puts the answer into the page."""
SIGN_IN = "/console/sign-in"
FORM_BYTES, FORM_FIELDS = 262_144, 2_000
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


@dataclass(frozen=True)
class Visit:
    """A request of somebody who is signed in.

    Attributes:
        client: Asks and changes, with the rights of the session.
        session: Whose it is.
        path: Parts of the path by name.
        query: The last value of each name in the query.
        form: Every value of each field of a form; empty for a page.
        docs_url: Of the published documentation, or empty.
    """

    client: ConsoleClient
    session: ConsoleSession
    path: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, Sequence[str]] = field(default_factory=dict)
    docs_url: str = ""

    def field(self, name: str, default: str = "") -> str:
        """The last value of a form's field, without spaces around it."""
        values = self.form.get(name, ())
        return values[-1].strip() if values else default

    def page(self, name: str, code: int = 200, /, **values: Any) -> Response:
        """A page or a part of one: a template's name, the HTTP status, and what the template shows."""
        return HTMLResponse(rendered(name, visit=self, **values), code)


@dataclass(frozen=True)
class ActionOutcome:
    """What a form did: a toast, parts of the page to put in place, or another page to go to."""

    toast: Toast
    parts: Mapping[str, str] = field(default_factory=dict)
    """Id of an element to its new content."""
    go_to: str | None = None


def page(handler: Callable[[Visit], Response]) -> Callable[[Request], Awaitable[Response]]:
    """A GET of somebody who is signed in; others are sent to sign in."""

    async def answer(request: Request) -> Response:
        session = sessions_of(request).of(request)
        if session.role is None:
            return _to_sign_in(request, session)
        visit = _visit(request, session, {})
        try:
            _take_turn(request, session)
        except IngestionError as error:
            return _framed(request, session, visit.page("refused.html", status_of(error), toast=_refusal(error)))
        return _framed(request, session, await run_in_threadpool(_guarded, visit, lambda: handler(visit)))

    return answer


def action(handler: Callable[[Visit], ActionOutcome]) -> Callable[[Request], Awaitable[Response]]:
    """A POST with a form of the session; answered by parts for the page's script, by a page for other browsers."""

    async def answer(request: Request) -> Response:
        session = sessions_of(request).of(request)
        try:
            _take_turn(request, session)
            form = await read_form(request)
            if session.role is None or not is_genuine(
                session, {name: each[-1] for name, each in form.items()}, request
            ):
                raise FormRefusedError("This form is not of a session that is signed in", "Load the page again.")
        except IngestionError as error:
            return _framed(request, session, _told(request, None, ActionOutcome(_refusal(error)), status_of(error)))
        visit = _visit(request, session, form)
        return _framed(request, session, await run_in_threadpool(_acted, request, visit, handler))

    return answer


async def read_form(request: Request) -> dict[str, list[str]]:
    """The fields of an urlencoded form, every value of each.

    Raises:
        TooLargeError: It is larger than any form of the console.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES:
            raise TooLargeError(f"A form is larger than {FORM_BYTES} bytes", "Send less.")
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=FORM_FIELDS)
    except ValueError:
        raise FormRefusedError("This is no form of the console", "Load the page again.") from None


def sessions_of(request: Request) -> Sessions:
    """The sessions of this process."""
    state = request.app.state
    if not hasattr(state, "console_sessions"):
        state.console_sessions, state.console_answers = Sessions(state.services.settings), SharedAnswers()
    sessions: Sessions = state.console_sessions
    return sessions


def with_cookie(request: Request, session: ConsoleSession, response: Response) -> Response:
    """The answer that gives the browser its session."""
    response.set_cookie(
        cookie_name(request),
        session.cookie,
        max_age=SESSION_S,
        path="/console",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https",
    )
    return with_headers(response)


def with_headers(response: Response) -> Response:
    """The answer with the headers of every page."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _visit(request: Request, session: ConsoleSession, form: Mapping[str, Sequence[str]]) -> Visit:
    services: ApiServices = request.app.state.services
    role = session.role or "viewer"
    client = ConsoleClient(services, role, request.app.state.console_answers)
    query = {name: value.strip() for name, value in request.query_params.items()}
    return Visit(client, session, dict(request.path_params), query, form, services.settings.docs_url)


def _framed(request: Request, session: ConsoleSession, response: Response) -> Response:
    return with_cookie(request, session, response) if session.is_new else with_headers(response)


def _to_sign_in(request: Request, session: ConsoleSession) -> Response:
    if FRAGMENT in request.headers:
        return with_headers(Response(status_code=401))
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return _framed(request, session, RedirectResponse(f"{SIGN_IN}?next={quote(target)}", 303))


def _guarded(visit: Visit, work: Callable[[], Response]) -> Response:
    """A page, or what was in the way of it."""
    try:
        return work()
    except OperationRefusedError as error:
        return visit.page("refused.html", 200 if error.code != "E_FAULT" else 500, toast=error_toast(error))
    except Exception as error:  # noqa: BLE001 - the last place that can make a page of it
        return visit.page("refused.html", 500, toast=_fault(error))


def _acted(request: Request, visit: Visit, handler: Callable[[Visit], ActionOutcome]) -> Response:
    try:
        return _told(request, visit, handler(visit))
    except OperationRefusedError as error:
        return _told(request, visit, ActionOutcome(error_toast(error)))
    except Exception as error:  # noqa: BLE001 - the last place that can make a toast of it
        return _told(request, visit, ActionOutcome(_fault(error)), 500)


def _take_turn(request: Request, session: ConsoleSession) -> None:
    """Count the request; raises RateLimitedError for a session that asks too often."""
    request.app.state.services.limiter.take(f"console {session.form_token}")


def _refusal(error: IngestionError) -> Toast:
    return Toast(level="error", text=error.what, code=error.code, hint=error.next_step)


def _fault(error: Exception) -> Toast:
    body = internal_error_body(error)
    return Toast(level="error", text=body["message"], code=body["code"], hint=body["hint"])


def _told(request: Request, visit: Visit | None, done: ActionOutcome, status: int = 200) -> Response:
    if FRAGMENT in request.headers:
        return HTMLResponse(rendered("done.html", done=done), status)
    if visit is None:
        return HTMLResponse(rendered("refused.html", visit=None, toast=done.toast), status)
    back = done.go_to or request.headers.get("referer") or "/console"
    return visit.page("refused.html", status, toast=done.toast, back=_own_path(back))


def _own_path(address: str) -> str:
    """The path of an address, if it is one of the console."""
    path = "/" + address.split("/", 3)[-1] if "://" in address else address
    return path if path.startswith("/console") else "/console"
