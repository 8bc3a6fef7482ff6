"""Endpoints: add, change, test, collect, switch, remove; the catalog, what changed in it, and its units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metadata_api.console.client import LISTS_S, POLL_S, OperationRefusedError
from metadata_api.console.endpoint_form import changes_of, form_fields, read_form_config
from metadata_api.console.rendering import Toast, link, rendered
from metadata_api.console.visits import ActionOutcome

if TYPE_CHECKING:
    from starlette.responses import Response

    from metadata_api.console.visits import Visit

PAGE_UNITS = 50
_STATES = ("IDLE", "RUNNING", "PAUSED", "FAILED", "SUCCEEDED")


def new_endpoint(visit: Visit) -> Response:
    """Templates to choose from, or the form of the chosen one."""
    templates = _templates(visit)
    chosen = next((each for each in templates if each["id"] == visit.query.get("template")), None)
    if chosen is not None:
        return visit.page("endpoint_new.html", template=chosen, fields=form_fields(chosen))
    role = visit.query.get("role", "")
    fitting = [each for each in templates if not role or role in each["roles"]]
    return visit.page("templates.html", templates=fitting, role=role)


def add_endpoint(visit: Visit) -> ActionOutcome:
    """Test what was written, or save it."""
    template = _template(visit, visit.field("template"))
    config = read_form_config(template, visit.form)
    if visit.field("intent") == "test":
        asked = {"templateId": template["id"], "type": template["id"], "connection": {"parameters": config}}
        return _tested(visit.client.change("TestForm", input=asked))
    name = visit.field("name")
    given = {"templateId": template["id"], "config": config, "name": name, "id": visit.field("id") or None}
    made = visit.client.change("Register", input=given)
    toast = Toast(f"{name or made['id']} is saved. Test it, then collect its catalog.")
    return ActionOutcome(toast, go_to=link(f"/endpoints/{made['id']}"))


def endpoint(visit: Visit) -> Response:
    """One endpoint."""
    return visit.page("endpoint.html", **_endpoint(visit), **_units(visit))


def endpoint_live(visit: Visit) -> Response:
    """The living part: units and collections."""
    return visit.page("endpoint_live.html", **_endpoint(visit), **_units(visit))


def change_endpoint(visit: Visit) -> ActionOutcome:
    """Save what differs."""
    held = _held(visit)
    template = _template(visit, held["templateId"])
    changes = changes_of(template, held["config"], visit.form)
    name = visit.field("name")
    if name and name != held["name"]:
        visit.client.change("Rename", id=held["id"], patch={"name": name})
    elif not changes:
        return ActionOutcome(Toast("Nothing was changed."))
    if changes:
        visit.client.change("Update", input={"id": held["id"], "config": changes})
    return ActionOutcome(Toast(f"Saved: {', '.join([*changes] or ['name'])}."), _form_parts(visit))


def test_endpoint(visit: Visit) -> ActionOutcome:
    """Connect with what is saved."""
    return _tested(visit.client.change("TestSaved", id=visit.path["endpoint_id"]))


def collect(visit: Visit) -> ActionOutcome:
    """Start a collection."""
    visit.client.change("Collect", endpointId=visit.path["endpoint_id"])
    toast = Toast("The catalog is being collected. Its datasets appear here as soon as the run ends.")
    return ActionOutcome(toast, _live_parts(visit))


def switch(visit: Visit) -> ActionOutcome:
    """Let its units run, or not."""
    on = visit.field("on") == "true"
    visit.client.change("Update", input={"id": visit.path["endpoint_id"], "enabled": on})
    words = "The endpoint is on: its units may run." if on else "The endpoint is off: nothing of it runs."
    return ActionOutcome(
        Toast(words), {**_live_parts(visit), "endpoint-actions": _part(visit, "endpoint_actions.html")}
    )


def provision(visit: Visit) -> ActionOutcome:
    """Make a common model's table in the sink."""
    asked = {"sinkEndpointId": visit.path["endpoint_id"], "cdmModelId": visit.field("model")}
    made = visit.client.change("Provision", input=asked)
    return ActionOutcome(Toast(f"The table {made['tableName']} is there."), _live_parts(visit))


def remove(visit: Visit) -> ActionOutcome:
    """Forget the endpoint."""
    name = visit.path["endpoint_id"]
    there = visit.client.change("Remove", id=name)
    toast = Toast(f"{name} is removed; rows and state of its units stay.") if there else Toast(f"{name} was not there.")
    return ActionOutcome(toast, go_to="/console")


def _held(visit: Visit) -> dict[str, Any]:
    found: dict[str, Any] | None = visit.client.ask("Endpoint", id=visit.path["endpoint_id"])["metadataEndpoint"]
    return found or _refuse(visit.path["endpoint_id"])


def _refuse(endpoint_id: str) -> dict[str, Any]:
    raise OperationRefusedError(
        f"No endpoint is registered as {endpoint_id!r}",
        "E_ENDPOINT_UNKNOWN",
        "The overview lists them.",
        retryable=False,
    )


def _endpoint(visit: Visit) -> dict[str, Any]:
    endpoint_id = visit.path["endpoint_id"]
    held = visit.client.ask("Endpoint", keep_s=LISTS_S, id=endpoint_id)["metadataEndpoint"] or _refuse(endpoint_id)
    collections = visit.client.ask("Collections", keep_s=POLL_S, endpointId=endpoint_id)["collectionRuns"]
    template = _template(visit, held["templateId"])
    return {
        "endpoint": held,
        "template": template,
        "fields": form_fields(template, held["config"]),
        "changes": visit.client.ask("CatalogChanges", keep_s=LISTS_S, id=endpoint_id)["catalogChanges"],
        "collections": collections,
        "collecting": any(each["status"] in {"QUEUED", "RUNNING"} for each in collections),
        "models": _models(visit, endpoint_id) if "sink.cdm" in held["capabilities"] else [],
    }


def _models(visit: Visit, sink_id: str) -> list[dict[str, Any]]:
    """Every common model, and whether the sink has its table."""
    tables = visit.client.ask("LandedTables", keep_s=POLL_S, search="cdm.")["landedTables"]
    there = {each["cdmModelId"] for each in tables if each["sinkId"] == sink_id}
    return [{**each, "there": each["id"] in there} for each in visit.client.ask("Models", keep_s=LISTS_S)["cdmModels"]]


def _units(visit: Visit) -> dict[str, Any]:
    search, state = visit.query.get("search", ""), visit.query.get("state", "").upper()
    data = visit.client.ask(
        "Units",
        keep_s=POLL_S,
        endpointId=visit.path["endpoint_id"],
        search=search,
        state=state if state in _STATES else None,
        first=PAGE_UNITS,
        after=visit.query.get("after") or None,
    )
    return {"units": data["ingestionUnitConnection"], "search": search, "state": state, "state_names": _STATES}


def _live_parts(visit: Visit) -> dict[str, str]:
    return {"endpoint-live": _part(visit, "endpoint_live.html")}


def _form_parts(visit: Visit) -> dict[str, str]:
    return {"endpoint-form": _part(visit, "endpoint_form.html"), **_live_parts(visit)}


def _part(visit: Visit, name: str) -> str:
    return rendered(name, visit=visit, **_endpoint(visit), **_units(visit))


def _tested(result: dict[str, Any]) -> ActionOutcome:
    found = next(iter(result["diagnostics"]), None)
    if not result["ok"] and found is not None:
        where = f" (field {found['field']})" if found["field"] else ""
        return ActionOutcome(Toast(f"{found['message']}{where}", "error", found["code"], found["hint"] or ""))
    account = f" as {result['account']}" if result["account"] else ""
    warnings = " ".join(result["warnings"])
    words = f"It works: {result['serverVersion'] or 'connected'}{account}. {warnings}".strip()
    return ActionOutcome(Toast(words, "warning" if warnings else "good"))


def _templates(visit: Visit) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = visit.client.ask("Templates", keep_s=LISTS_S)["metadataEndpointTemplates"]
    return found


def _template(visit: Visit, template_id: str) -> dict[str, Any]:
    found = next((each for each in _templates(visit) if each["id"] == template_id), None)
    if found is None:
        raise OperationRefusedError(
            f"There is no template {template_id!r}", "E_ENDPOINT_UNKNOWN", "Choose one of the list.", retryable=False
        )
    return found
