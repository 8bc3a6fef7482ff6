"""Data: what has landed, rows of one table page by page, and the common models with filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metadata_api.console.client import LISTS_S, POLL_S, OperationRefusedError
from metadata_api.console.rendering import link

if TYPE_CHECKING:
    from starlette.responses import Response

    from metadata_api.console.visits import Visit

PAGE_ROWS = 50
_FILTERS = (
    "project_cdm_id", "space_cdm_id", "status", "assignee_cdm_id", "created_by_cdm_id", "author_cdm_id", "owner_cdm_id",
)  # fmt: skip
"""Columns of common models by which people look for rows; those that a model has are offered."""
_FILTER = "filter."


def data(visit: Visit) -> Response:
    """What has landed where."""
    search = visit.query.get("search", "")
    tables = visit.client.ask("LandedTables", keep_s=POLL_S, search=search)["landedTables"]
    meaning = {each["id"]: each["meaning"] for each in _models(visit)}
    return visit.page(
        "data.html",
        search=search,
        models=[{**each, "meaning": meaning.get(each["cdmModelId"], "")} for each in tables if each["cdmModelId"]],
        raw=[each for each in tables if not each["cdmModelId"]],
        is_empty=not tables and not search,
    )


def rows(visit: Visit) -> Response:
    """Rows of one table."""
    place = {name: visit.query.get(name, "") for name in ("sink", "endpoint", "unit", "model")}
    offset, search = _offset(visit), visit.query.get("search", "")
    offered = _offered(visit, place) if place["model"] else []
    where = [{"column": each["column"], "op": "eq", "value": each["chosen"]} for each in offered if each["chosen"]]
    found = visit.client.ask(
        "LandedRows",
        sinkId=place["sink"],
        endpointId=place["endpoint"] or None,
        unitId=place["unit"] or None,
        cdmModelId=place["model"] or None,
        search=search,
        where=where,
        first=PAGE_ROWS,
        offset=offset,
    )["landedRows"]
    kept = {**place, "search": search, **{f"{_FILTER}{each['column']}": each["chosen"] for each in offered}}
    return visit.page(
        "rows.html",
        place=place,
        found=found,
        search=search,
        filters=offered,
        first_row=offset + 1,
        earlier=link("/data/rows", **kept, offset=max(0, offset - PAGE_ROWS) or "0") if offset else None,
        later=link("/data/rows", **kept, offset=offset + PAGE_ROWS) if found["hasNextPage"] else None,
    )


def _offered(visit: Visit, place: dict[str, str]) -> list[dict[str, Any]]:
    """The model's filters with the values that its rows have; a failure to list values leaves them out."""
    columns: list[str] = next((each["columns"] for each in _models(visit) if each["id"] == place["model"]), [])
    found = []
    for column in (each for each in _FILTERS if each in columns):
        chosen = visit.query.get(f"{_FILTER}{column}", "")
        asked = {"sinkId": place["sink"], "cdmModelId": place["model"], "column": column}
        try:
            values = visit.client.ask("LandedValues", keep_s=LISTS_S, **asked)["landedValues"]
        except OperationRefusedError:
            values = []
        values = values if not chosen or chosen in values else [chosen, *values]
        title = column.removesuffix("_cdm_id").replace("_", " ")
        found.append({"column": column, "title": title, "values": values, "chosen": chosen})
    return found


def _offset(visit: Visit) -> int:
    text = visit.query.get("offset", "0")
    return int(text) if text.isdecimal() and len(text) < 8 else 0


def _models(visit: Visit) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = visit.client.ask("Models", keep_s=LISTS_S)["cdmModels"]
    return found
