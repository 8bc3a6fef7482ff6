"""``nucleus cdm``: common data models, their tables in a sink, and mapping staged rows again."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli import workspace
from cli.arguments.options import EndpointId, JsonFlag
from cli.terminal.output import Output, table

if TYPE_CHECKING:
    from contracts.catalog import DatasetDescriptor
    from flows.wiring import Workspace

app = typer.Typer(no_args_is_help=True, help="Common data models and their tables.")
Models = Annotated[list[str], typer.Argument(metavar="MODEL...", help="Model ids, or a prefix like cdm.work.*")]


@app.command("list")
def list_models(*, as_json: JsonFlag = False) -> None:
    """List the models and their columns' number."""
    from cdm_mappers.models import MODELS

    data = [model.model_dump(mode="json") for model in MODELS.values()]
    rows = [(model.model_id, model.version, len(model.columns), model.meaning) for model in MODELS.values()]
    Output(as_json=as_json).show({"models": data}, table("", ("model", "version", "columns", ""), rows))


@app.command()
def provision(endpoint_id: EndpointId, models: Models, *, as_json: JsonFlag = False) -> None:
    """Make the models' tables in a sink, or widen older ones. Does nothing to what is there already."""
    wanted = [each for model in models for each in _matching(model)]

    def provisioned(ws: "Workspace") -> "list[DatasetDescriptor]":
        from flows.operations.cdm import provision_cdm

        return [provision_cdm(ws, endpoint_id, model) for model in wanted]

    datasets = workspace.in_workspace(provisioned)
    rows = [(one.namespace, one.name, ", ".join(one.labels)) for one in datasets]
    data = {"datasets": [one.model_dump(mode="json") for one in datasets]}
    Output(as_json=as_json).show(data, table(endpoint_id, ("schema", "table", "labels"), rows))


def _matching(model: str) -> list[str]:
    """The id itself, or every known id below ``prefix.*``."""
    if not model.endswith(".*"):
        return [model]
    from cdm_mappers.models import MODELS
    from contracts.mapping import matches_model

    matching = [known for known in MODELS if matches_model(model, known)]
    if not matching:
        raise typer.BadParameter(f"No model is below {model!r}; `nucleus cdm list` shows what there is.")
    return matching
