"""``POST /graphql``: bearer tokens, limits, and errors with a code."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError

from contracts.errors import IngestionError
from metadata_api.errors import (
    PLATFORM_CODES,
    MalformedError,
    TokenError,
    error_body,
    headers_of,
    internal_error_body,
    status_of,
)
from metadata_api.limits import read_json_body
from metadata_api.requests import read_json
from metadata_api.schema.build import SCHEMA
from metadata_api.schema.context import Context

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from metadata_api.services import ApiServices
    from metadata_api.settings import Role

BODIES = 4
"""A query may be so many times larger than a webhook."""
_FIELDS = {"query", "variables", "operationName", "extensions"}


async def answer(request: Request) -> JSONResponse:
    """One operation; 200 with ``{data, errors}`` when it was executed, whatever its resolvers said."""
    services: ApiServices = request.app.state.services
    try:
        token, role = caller_of(request.headers.get("authorization", ""), services.settings.tokens)
        services.limiter.take(f"token {token}")
        body = await read_json_body(request, BODIES * services.settings.body_bytes)
        shown, status = await run_in_threadpool(execute, services, role, body)
    except IngestionError as error:
        return JSONResponse({"errors": [_as_error(error_body(error))]}, status_of(error), headers=_headers_of(error))
    except Exception as error:  # noqa: BLE001 - the last place that can make an answer of it
        return JSONResponse({"errors": [_as_error(internal_error_body(error))]}, 500)
    return JSONResponse(shown, status)


def caller_of(authorization: str, tokens: Mapping[str, Role]) -> tuple[str, Role]:
    """The bearer token and its role; every token is compared, in constant time. Raises TokenError."""
    kind, _, given = authorization.partition(" ")
    fits = [each for each in tokens.items() if hmac.compare_digest(each[0].encode(), given.strip().encode())]
    if kind.lower() != "bearer" or not fits:
        raise TokenError("No valid bearer token", "Send `Authorization: Bearer <token>`.")
    return fits[0]


def execute(services: ApiServices, role: Role, body: bytes) -> tuple[dict[str, Any], int]:
    """The answer to one operation, and its HTTP status.

    Raises:
        MalformedError: The body is no GraphQL request.
    """
    asked = read_json(body)
    query, variables, name = asked.get("query"), asked.get("variables") or {}, asked.get("operationName")
    if set(asked) - _FIELDS or not isinstance(query, str) or not isinstance(variables, dict):
        raise MalformedError("This is no GraphQL request", "Send {query, variables, operationName}.")
    if name is not None and not isinstance(name, str):
        raise MalformedError("This is no GraphQL request", "operationName is a text.")
    return run_operation(services, role, query, variables, name)


def run_operation(
    services: ApiServices, role: Role, query: str, variables: dict[str, Any], name: str | None
) -> tuple[dict[str, Any], int]:
    """The answer to one operation, and its HTTP status; for every caller, in this process or outside.

    Raises:
        MalformedError: The document has no such operation.
    """
    context = Context(services=services, role=role, names_operation=name is not None)
    try:
        result = SCHEMA.execute_sync(query, variable_values=variables, operation_name=name, context_value=context)
    except (CannotGetOperationTypeError, MissingQueryError):
        raise MalformedError("The document has no such operation", "Send a query, and its operationName.") from None
    shown: dict[str, Any] = {"data": result.data}
    if result.errors:
        shown["errors"] = [shown_error(error) for error in result.errors]
    return shown, 400 if result.data is None and _not_executed(result.errors or []) else 200


def shown_error(error: GraphQLError) -> dict[str, Any]:
    """The error with ``extensions.code``; of what nobody foresaw nothing but that it happened."""
    original = error.original_error
    while isinstance(original, GraphQLError) and original.original_error is not None:
        original = original.original_error
    if isinstance(original, IngestionError):
        body = error_body(original)
    elif original is None or isinstance(original, GraphQLError):
        body = {
            "code": "E_GRAPHQL",
            "message": error.message[:500],
            "retryable": False,
            "hint": "See docs/schema.graphql.",
        }
    else:
        body = internal_error_body(original)
    shown = _as_error(body)
    if error.path is not None:
        shown["path"] = [*error.path]
    if error.locations:
        shown["locations"] = [{"line": each.line, "column": each.column} for each in error.locations]
    return shown


def _not_executed(errors: list[GraphQLError]) -> bool:
    return all(error.path is None for error in errors)


def _as_error(body: dict[str, Any]) -> dict[str, Any]:
    extensions = {name: body[name] for name in ("code", "retryable", "hint")}
    if other := PLATFORM_CODES.get(body["code"]):
        extensions["platformCode"] = other
    return {"message": body["message"], "extensions": extensions}


def _headers_of(error: IngestionError) -> dict[str, str]:
    return {"www-authenticate": "Bearer"} if isinstance(error, TokenError) else headers_of(error)
