"""``nucleus unit``: which datasets move, how, and where to."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli import workspace
from cli.arguments.options import (
    MAX_DELETE_FRACTION,
    ON_GONE,
    PARALLEL,
    SLICE_SIZE,
    EndpointId,
    Gone,
    JsonFlag,
    KeyColumns,
    SinkId,
    UnitId,
)
from cli.terminal.output import Output, table

if TYPE_CHECKING:
    from contracts.endpoint import FilterOption
    from contracts.unit import EndpointUnitDescriptor, UnitConfig, UnitPolicy
    from flows.operations.enrichment import Enrichment
    from flows.wiring import Workspace

app = typer.Typer(no_args_is_help=True, help="Datasets that can be ingested, and the policy of each.")


@app.command("list")
def list_units(endpoint_id: EndpointId, *, as_json: JsonFlag = False) -> None:
    """List the units of an endpoint's catalog and what is set for each."""

    def listed(ws: "Workspace") -> "list[tuple[EndpointUnitDescriptor, UnitConfig]]":
        return [(unit, ws.units.config(endpoint_id, unit.unit_id)) for unit in ws.list_units(endpoint_id)]

    units = workspace.in_workspace(listed)
    rows = [
        (unit.unit_id, "on" if config.enabled else "off", config.mode,
         ", ".join(config.policy.cursor_columns), config.sink_id, config.schedule,
         ", ".join(unit.primary_key), ", ".join(unit.cursor_candidates))
        for unit, config in units
    ]  # fmt: skip
    data = [{"unit": unit.model_dump(mode="json"), "config": config.model_dump(mode="json")} for unit, config in units]
    columns = ("unit", "", "mode", "cursor", "sink", "schedule", "key", "cursor candidates")
    Output(as_json=as_json).show({"units": data}, table(endpoint_id, columns, rows))


@app.command()
def configure(  # noqa: PLR0913 - every one is an option of the command
    endpoint_id: EndpointId,
    unit_id: UnitId,
    *,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Let the unit run, or not.")] = None,
    mode: Annotated[Literal["full", "incremental"] | None, typer.Option(help="Read all, or what changed.")] = None,
    data_mode: Annotated[
        Literal["raw", "cdm"] | None, typer.Option(help="Rows as the source has them, or of the common model.")
    ] = None,
    sink: SinkId = None,
    schedule: Annotated[
        str | None, typer.Option(metavar="CRON", help="A cron line, or 'every <seconds>'; '' for on demand.")
    ] = None,
    cursor: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Column that grows with changes. Repeatable.")
    ] = None,
    key: KeyColumns = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="CONDITION", help="Only rows like n>=5. Repeatable; '' for all."),
    ] = None,
    selector: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="What the source lets choose by name. Repeatable; '' for all."),
    ] = None,
    on_gone: Annotated[Gone | None, ON_GONE] = None,
    max_delete_fraction: Annotated[float | None, MAX_DELETE_FRACTION] = None,
    slice_size: Annotated[str | None, SLICE_SIZE] = None,
    parallel: Annotated[int | None, PARALLEL] = None,
    census_every: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="An incremental run compares keys when the last census is older."),
    ] = None,
    resume_within: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="An unfinished run younger than this is continued.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="TABLE", help="Table to write to; '' for the unit's own name.")
    ] = None,
    allow_partial: Annotated[
        bool | None, typer.Option("--allow-partial/--refuse-partial", help="Let a run with a gap succeed.")
    ] = None,
    unset: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD", help="Field of the policy that goes back to the unit's default. Repeatable."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Change what is given and leave the rest; without options, show what is set."""
    from cli.arguments.unit_changes import changed
    from flows.operations.run_control import configure as keep
    from state.units import effective_policy

    policy = {
        "cursor_columns": cursor, "key_columns": key, "filter": where, "target": target, "on_gone": on_gone,
        "selectors": selector,
        "max_delete_fraction": max_delete_fraction, "allow_partial": allow_partial,
        "target_slice_bytes": slice_size, "parallel_slices": parallel,
        "census_every_s": census_every, "resume_within_s": resume_within,
    }  # fmt: skip
    settings = {"enabled": enabled, "mode": mode, "data_mode": data_mode, "sink_id": sink, "schedule": schedule}

    def configured(ws: "Workspace") -> "tuple[UnitConfig, UnitPolicy]":
        unit = ws.unit(endpoint_id, unit_id)
        before = ws.units.config(endpoint_id, unit_id)
        after = keep(ws, before, changed(before, _given(settings), _given(policy), unset or ()))
        return after, effective_policy(unit, after, None)

    config, effective = workspace.in_workspace(configured)
    shown = {**config.model_dump(mode="json", exclude={"policy"}), **effective.model_dump(mode="json")}
    rows = [(name, value) for name, value in shown.items() if name not in {"endpoint_id", "unit_id"}]
    Output(as_json=as_json).show(
        {"config": config.model_dump(mode="json")}, table(f"{endpoint_id}/{unit_id}", ("", ""), rows)
    )


@app.command()
def options(endpoint_id: EndpointId, *, as_json: JsonFlag = False) -> None:
    """Show what the selectors of the endpoint's units may hold now."""
    from contracts.errors import FilterNotSupportedError
    from contracts.traits import SupportsFilterOptions

    def read_options(ws: "Workspace") -> "dict[str, tuple[FilterOption, ...]]":
        source = ws.source(endpoint_id)
        if not isinstance(source, SupportsFilterOptions):
            raise FilterNotSupportedError(
                f"Endpoint {endpoint_id!r} has no selectors", "Filter its units by columns: --where."
            )
        return source.filter_options()

    options = workspace.in_workspace(read_options)
    data = {name: [option.model_dump() for option in choices] for name, choices in options.items()}
    rows = [(name, option.value, option.label) for name, choices in options.items() for option in choices]
    Output(as_json=as_json).show({"options": data}, table(endpoint_id, ("selector", "value", ""), rows))


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


@app.command()
def entities(endpoint_id: EndpointId, unit_id: UnitId, *, as_json: JsonFlag = False) -> None:
    """Move no rows: tell the knowledge graph of the unit's projects, spaces, drives or people."""

    def told(ws: "Workspace") -> "Enrichment":
        from flows.operations.enrichment import enrich

        return enrich(ws, endpoint_id, unit_id)

    known = workspace.in_workspace(told)
    facts = {"node_type": known.node_type, "entities": known.entities, **known.receipt.model_dump()}
    Output(as_json=as_json).show({"told": facts}, table(f"{endpoint_id}/{unit_id}", ("", ""), [*facts.items()]))
