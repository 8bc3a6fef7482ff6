"""Sign in with a token of the API, and out again; what a code of an error means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from contracts.errors import IngestionError
from metadata_api.console.rendering import rendered
from metadata_api.console.sessions import cookie_name, is_genuine
from metadata_api.console.visits import SIGN_IN, read_form, sessions_of, with_cookie, with_headers

if TYPE_CHECKING:
    from starlette.requests import Request

    from metadata_api.console.visits import Visit


async def sign_in(request: Request) -> Response:
    """The page that asks for a token, and its answer."""
    session = sessions_of(request).of(request)
    if request.method == "GET":
        return with_cookie(request, session, _asking(request.query_params.get("next", ""), session.form_token))
    try:
        request.app.state.services.limiter.take("console sign-in")
        form = {name: values[-1] for name, values in (await read_form(request)).items()}
    except IngestionError as error:
        return with_headers(_asking("", session.form_token, error.what, 429))
    target = _own(form.get("next", ""))
    if not is_genuine(session, form, request):
        return with_cookie(
            request, session, _asking(target, session.form_token, "The page was too old. Again, please.", 403)
        )
    made = await run_in_threadpool(sessions_of(request).sign_in, form.get("token", ""))
    if made is None:
        return with_headers(_asking(target, session.form_token, "No valid token.", 401))
    return with_cookie(request, made, RedirectResponse(target, 303))


async def sign_out(request: Request) -> Response:
    """Forget the session in this browser."""
    session = sessions_of(request).of(request)
    form = {name: values[-1] for name, values in (await read_form(request)).items()}
    answer = RedirectResponse(SIGN_IN, 303)
    if is_genuine(session, form, request):
        answer.delete_cookie(cookie_name(request), path="/console")
    return with_headers(answer)


def error_help(visit: Visit) -> Response:
    """What an error's code means and where it is documented."""
    known = visit.client.ask("ErrorCode", keep_s=3600.0, code=visit.path["code"][:80])["errorCode"]
    return visit.page("error_help.html", 200 if known else 404, known=known, code=visit.path["code"][:80])


def _asking(target: str, form_token: str, problem: str = "", status: int = 200) -> HTMLResponse:
    shown = rendered("sign_in.html", visit=None, target=_own(target), form_token=form_token, problem=problem)
    return HTMLResponse(shown, status)


def _own(target: str) -> str:
    """A page of the console, whatever somebody put into the address."""
    return target if target == "/console" or target.startswith(("/console/", "/console?")) else "/console"
