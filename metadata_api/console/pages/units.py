"""A unit: settings, plan, start, pause, reset, watermark, and where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metadata_api.console.charts import plan_bars
from metadata_api.console.client import LISTS_S, POLL_S, OperationRefusedError
from metadata_api.console.rendering import Toast, link, rendered
from metadata_api.console.unit_form import MIB, OPERATORS, condition_text, settings_input
from metadata_api.console.visits import ActionOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from metadata_api.console.visits import Visit

_BLANK_CONDITIONS = 1


def unit(visit: Visit) -> Response:
    """The whole page."""
    place = _place(visit.query)
    return visit.page("unit.html", **_settings(visit, place))


def unit_live(visit: Visit) -> Response:
    """The living part: state, runs."""
    return visit.page("unit_live.html", **_standing(visit, _place(visit.query)))


def unit_options(visit: Visit) -> Response:
    """Pickers with what the source offers now; read when the page is open already, as the source may be slow."""
    place = _place(visit.query)
    held = _settings(visit, place)
    return visit.page("unit_selectors.html", **held, **_offered(visit, place, held))


def save(visit: Visit) -> ActionOutcome:
    """Save what the form shows."""
    place = _form_place(visit)
    held = _settings(visit, place)["config"]
    visit.client.change("Configure", input=settings_input(*place, visit.form, held))
    return ActionOutcome(Toast("The settings are saved; the next run goes by them."), _parts(visit, place))


def plan(visit: Visit) -> ActionOutcome:
    """Show what a run would read."""
    place = _form_place(visit)
    mode = visit.field("run_mode") or None
    sink = visit.field("sink_id") or None
    found = visit.client.ask("Plan", endpointId=place[0], unitId=place[1], sinkId=sink, runMode=mode)["ingestionPlan"]
    shown = rendered("unit_plan.html", visit=visit, plan=found, plan_bars=plan_bars(found["slices"]))
    return ActionOutcome(
        Toast(f"A run would read {found['sliceCount']:,} slice(s); nothing was started."), {"unit-plan": shown}
    )


def start(visit: Visit) -> ActionOutcome:
    """Start, or go on after a pause."""
    place = _form_place(visit)
    made = visit.client.change("Start", endpointId=place[0], unitId=place[1])
    where = link(f"/runs/{made['runId']}") if made["runId"] else ""
    return ActionOutcome(Toast(f"{made['message']}.", link=where, link_text="Watch the run"), _parts(visit, place))


def pause(visit: Visit) -> ActionOutcome:
    """Stop after what is in hand."""
    place = _form_place(visit)
    made = visit.client.change("Pause", endpointId=place[0], unitId=place[1])
    return ActionOutcome(Toast(f"{made['message']}."), _parts(visit, place))


def reset(visit: Visit) -> ActionOutcome:
    """Forget how far it was read, if that was confirmed."""
    place = _form_place(visit)
    if visit.field("confirmed") != "true":
        return ActionOutcome(Toast("Tick the box to confirm; nothing was changed.", "warning"))
    made = visit.client.change("Reset", endpointId=place[0], unitId=place[1])
    return ActionOutcome(Toast(f"{made['message']}. The next incremental run reads everything."), _parts(visit, place))


def watermark(visit: Visit) -> ActionOutcome:
    """Let the next incremental run begin elsewhere."""
    place, value = _form_place(visit), visit.field("watermark")
    if not value:
        return ActionOutcome(Toast("Give a watermark, or reset the checkpoint; nothing was changed.", "warning"))
    made = visit.client.change("Watermark", endpointId=place[0], unitId=place[1], watermark=value)
    return ActionOutcome(Toast(f"{made['message']}."), _parts(visit, place))


def provision_model(visit: Visit) -> ActionOutcome:
    """Make the table that the unit's rows need in a sink."""
    place = _form_place(visit)
    asked = {"sinkEndpointId": visit.field("provision_sink"), "cdmModelId": visit.field("model")}
    made = visit.client.change("Provision", input=asked)
    return ActionOutcome(Toast(f"The table {made['tableName']} is there."), _parts(visit, place, settings=True))


def _place(given: Mapping[str, str]) -> tuple[str, str]:
    return given.get("endpoint", ""), given.get("unit", "")


def _form_place(visit: Visit) -> tuple[str, str]:
    return visit.field("endpoint"), visit.field("unit")


def _settings(visit: Visit, place: tuple[str, str]) -> dict[str, Any]:
    data = visit.client.ask("Unit", endpointId=place[0], unitId=place[1])
    if data["ingestionUnit"] is None:
        raise _unknown(place[1])
    about, config = data["ingestionUnit"], data["ingestionUnitConfig"]
    dataset = visit.client.ask("Dataset", keep_s=LISTS_S, endpointId=place[0], unitId=place[1])["ingestionUnitDataset"]
    policy = {**about["defaultPolicy"], **(config["policy"] or {})}
    conditions = [{**each, "text": condition_text(each)} for each in policy.get("filter") or []]
    blank = {"column": "", "op": "eq", "text": ""}
    sinks = data["ingestionSinkChoices"]
    return {
        **_stood(data, place),
        "endpoint_id": place[0],
        "unit": about,
        "config": config,
        "dataset": dataset or {"columns": [], "primaryKey": [], "rowsEstimate": None, "comment": None},
        "policy": policy,
        "slice_mib": policy["target_slice_bytes"] / MIB,
        "conditions": [*conditions, *[blank] * _BLANK_CONDITIONS],
        "operators": OPERATORS,
        "fitting": [each for each in sinks if each["dataModes"]],
        "unfitting": [each for each in sinks if each["reasons"] and not each["dataModes"]],
        "unprovisioned": [each["sinkId"] for each in sinks if each["needsTable"]],
    }


def _offered(visit: Visit, place: tuple[str, str], held: dict[str, Any]) -> dict[str, Any]:
    """Selectors of the source with their options; one without options takes a text."""
    offered, problem = {}, None
    try:
        found = visit.client.ask("FilterOptions", keep_s=LISTS_S, endpointId=place[0])["ingestionFilterOptions"]
        offered = {each["selector"]: each["choices"] for each in found}
    except OperationRefusedError as error:
        problem = error
    chosen = held["policy"].get("selectors") or {}
    return {
        "problem": problem,
        "selectors": [_selector(name, chosen.get(name), offered.get(name, [])) for name in held["unit"]["selectors"]],
    }


def _selector(name: str, chosen: Any, choices: list[dict[str, str]]) -> dict[str, Any]:
    """A picker that also holds what is chosen and no longer offered."""
    values = [str(each) for each in chosen] if isinstance(chosen, list) else [str(chosen)] if chosen else []
    known = {each["value"] for each in choices}
    lost = [{"value": each, "label": f"{each} (not offered now)"} for each in values if each not in known]
    return {
        "name": name,
        "many": bool(choices) or isinstance(chosen, list),
        "values": values,
        "choices": [*choices, *lost],
    }


def _standing(visit: Visit, place: tuple[str, str]) -> dict[str, Any]:
    data = visit.client.ask("Standing", keep_s=POLL_S, endpointId=place[0], unitId=place[1])
    if data["ingestionUnitConfig"] is None:
        raise _unknown(place[1])
    return _stood(data, place)


def _stood(data: dict[str, Any], place: tuple[str, str]) -> dict[str, Any]:
    return {
        "place": {"endpoint": place[0], "unit": place[1]},
        "status": data["ingestionUnitConfig"]["lastStatus"],
        "runs": data["ingestionRuns"],
    }


def _unknown(unit_id: str) -> OperationRefusedError:
    return OperationRefusedError(
        f"Unit {unit_id!r} is not in the catalog", "E_DATASET_NOT_IN_CATALOG", "Collect it again.", retryable=False
    )


def _parts(visit: Visit, place: tuple[str, str], *, settings: bool = False) -> dict[str, str]:
    parts = {"unit-live": rendered("unit_live.html", visit=visit, **_standing(visit, place))}
    if settings:
        parts["unit-settings"] = rendered("unit_settings.html", visit=visit, **_settings(visit, place))
    return parts
