"""``nucleus template``: what kinds of endpoints there are, and which fields each one asks for."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.arguments.options import JsonFlag
from cli.terminal.output import Output, table

if TYPE_CHECKING:
    from contracts.endpoint import FieldDescriptor

app = typer.Typer(no_args_is_help=True, help="Kinds of endpoints: what they can do and what they ask for.")


@app.command("list")
def list_templates(*, as_json: JsonFlag = False) -> None:
    """List every endpoint template, ours and installed ones."""
    from connectors.registry import EndpointRegistry

    registry = EndpointRegistry()
    templates = registry.descriptors()
    rows = [(each.template_id, each.title, ", ".join(each.roles), ", ".join(each.capabilities)) for each in templates]
    out = Output(as_json=as_json)
    out.show(
        {
            "templates": [each.model_dump(mode="json") for each in templates],
            "broken": [error.to_json() for error in registry.broken()],
        },
        table("", ("template", "title", "roles", "capabilities"), rows),
    )
    if not as_json:
        for error in registry.broken():
            out.note(f"{error.code}: {error}")


@app.command("show")
def show_template(
    template: Annotated[str, typer.Argument(help="Template id, as `nucleus template list` shows it.")],
    *,
    as_json: JsonFlag = False,
) -> None:
    """Show what a template can do and every field of its config."""
    from connectors.registry import EndpointRegistry

    descriptor = EndpointRegistry().get(template).descriptor
    roles = f"Roles: {', '.join(descriptor.roles)}. Docs: {descriptor.docs_url}"
    about = f"{descriptor.title} ({descriptor.template_id}): {descriptor.description}\n{roles}"
    rows = [(each.name, each.type, _default(each), each.description) for each in descriptor.fields]
    fields = table("Fields", ("field", "type", "default", "what it is"), rows)
    Output(as_json=as_json).show({"template": descriptor.model_dump(mode="json")}, about, fields)


def _default(field: "FieldDescriptor") -> str:
    if field.required:
        return "required"
    if field.secret:
        return "--secret"
    choices = f" of {', '.join(field.choices)}" if field.choices else ""
    return ("" if field.default is None else str(field.default)) + choices
