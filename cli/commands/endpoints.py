"""``nucleus endpoint``: connections that are kept under an id."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli import workspace
from cli.arguments.options import EndpointId, JsonFlag
from cli.terminal.output import Output, table

if TYPE_CHECKING:
    from contracts.endpoint import ConnectionReport
    from flows.wiring import Workspace

app = typer.Typer(no_args_is_help=True, help="Connections that are kept under an id.")


@app.command()
def add(
    endpoint_id: Annotated[str, typer.Argument(metavar="ID", help="The new id: letters, digits, hyphens.")],
    *,
    template: Annotated[str, typer.Option(help="Template id, as `nucleus template list` shows it.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A field of the config. Repeatable."),
    ] = None,
    secrets: Annotated[
        list[str] | None,
        typer.Option(
            "--secret",
            metavar="KEY=PLACE",
            help="A secret: key=env:NAME, key=file:PATH or key=prompt. Repeatable.",
        ),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the one of that id.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Register an endpoint. It is not contacted: `nucleus endpoint test` does that."""
    from cli.arguments.secrets import config_of, masked
    from connectors.load_config import load_config
    from connectors.registry import EndpointRegistry

    factory = EndpointRegistry().get(template)
    fields = factory.descriptor.fields
    config = config_of(settings or (), secrets or (), fields)
    template_id = factory.descriptor.template_id
    load_config(factory.config_class, config, template_id)
    workspace.in_workspace(lambda ws: ws.endpoints.add(endpoint_id, template_id, config, replace=replace))
    shown = {"endpoint_id": endpoint_id, "template_id": template_id, "config": masked(config, fields)}
    Output(as_json=as_json).show({"endpoint": shown}, f"Added {endpoint_id}. Try: nucleus endpoint test {endpoint_id}")


@app.command("list")
def list_endpoints(*, as_json: JsonFlag = False) -> None:
    """List the registered endpoints."""
    endpoints = [tuple(each[:2]) for each in workspace.in_workspace(lambda ws: list(ws.endpoints.list()))]
    data = [{"endpoint_id": endpoint_id, "template_id": template_id} for endpoint_id, template_id in endpoints]
    Output(as_json=as_json).show({"endpoints": data}, table("", ("endpoint", "template"), endpoints))


@app.command()
def show(endpoint_id: EndpointId, *, as_json: JsonFlag = False) -> None:
    """Show an endpoint's template and config; secrets are stars."""
    from cli.arguments.secrets import masked
    from connectors.registry import EndpointRegistry

    template_id, config = workspace.in_workspace(lambda ws: ws.endpoints.get(endpoint_id))
    shown = masked(config.model_dump(mode="json"), EndpointRegistry().get(template_id).descriptor.fields)
    data = {"endpoint_id": endpoint_id, "template_id": template_id, "config": shown}
    Output(as_json=as_json).show(
        {"endpoint": data}, table(f"{endpoint_id} ({template_id})", ("field", "value"), shown.items())
    )


@app.command("test")
def connect(
    endpoint_id: EndpointId,
    *,
    role: Annotated[
        Literal["source", "sink"] | None,
        typer.Option("--as", help="Test reading or writing; left out, what the template can."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Connect, and say which server and account it is and what is missing."""
    from connectors.registry import EndpointRegistry

    def connected(ws: "Workspace") -> "ConnectionReport":
        roles = EndpointRegistry().get(ws.endpoints.template(endpoint_id)).descriptor.roles
        side = ws.sink(endpoint_id) if (role or roles[0]) == "sink" else ws.source(endpoint_id)
        return side.test_connection()

    report = workspace.in_workspace(connected)
    facts = [("server", report.server_version), ("account", report.account), *report.details.items()]
    out = Output(as_json=as_json)
    out.show(
        {"connection": report.model_dump(mode="json")},
        table(f"{endpoint_id} works", ("", ""), [*facts, *(("warning", each) for each in report.warnings)]),
    )


@app.command()
def enable(endpoint_id: EndpointId, *, as_json: JsonFlag = False) -> None:
    """Let the endpoint's units run again, by whoever starts them."""
    _switch(endpoint_id, Output(as_json=as_json), on=True)


@app.command()
def disable(endpoint_id: EndpointId, *, as_json: JsonFlag = False) -> None:
    """Refuse every new run of the endpoint's units, and hold their schedules back."""
    _switch(endpoint_id, Output(as_json=as_json), on=False)


def _switch(endpoint_id: str, out: Output, *, on: bool) -> None:
    def switched(ws: "Workspace") -> None:
        from flows.operations.run_control import switch_endpoint

        ws.endpoints.template(endpoint_id)
        switch_endpoint(ws, endpoint_id, on=on)

    workspace.in_workspace(switched)
    out.show({"endpoint_id": endpoint_id, "enabled": on}, f"{endpoint_id} is {'enabled' if on else 'disabled'}.")


@app.command()
def remove(endpoint_id: EndpointId, *, as_json: JsonFlag = False) -> None:
    """Forget an endpoint's connection. Rows, catalogs and checkpoints stay where they are."""

    def forget(ws: "Workspace") -> None:
        from flows.operations.run_control import remove_endpoint

        ws.endpoints.template(endpoint_id)
        remove_endpoint(ws, endpoint_id)

    workspace.in_workspace(forget)
    Output(as_json=as_json).show({"removed": endpoint_id}, f"Removed {endpoint_id}.")
