"""Lineage: from a dataset to its units, sinks and common tables; one step more, to the columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metadata_api.console.charts import lineage_drawing
from metadata_api.console.client import LISTS_S

if TYPE_CHECKING:
    from starlette.responses import Response

    from metadata_api.console.visits import Visit

MOST_FOUND = 100


def lineage(visit: Visit) -> Response:
    """A dataset's picture, or datasets to choose from."""
    dataset = visit.query.get("dataset", "")
    if not dataset:
        search = visit.query.get("search", "")
        found = visit.client.ask("Datasets", keep_s=LISTS_S, search=search, first=MOST_FOUND)
        return visit.page("datasets.html", search=search, found=found["catalogDatasetConnection"])
    graph = visit.client.ask("Lineage", keep_s=LISTS_S, datasetId=dataset)["lineage"]
    columns = visit.query.get("columns") == "1"
    return visit.page(
        "lineage.html",
        dataset=dataset,
        drawing=lineage_drawing(graph, columns=columns),
        columns=columns,
        derived=_derived(graph),
        graph=graph,
    )


def _derived(graph: dict[str, Any]) -> list[dict[str, Any]]:
    """Common columns and the columns they are made of, in words: the picture for those who do not see it."""
    titles = {each["id"]: each["title"] for each in graph["nodes"]}
    made: dict[str, list[str]] = {}
    for edge in graph["edges"]:
        if edge["edgeType"] == "derived_from":
            made.setdefault(edge["fromId"], []).append(titles.get(edge["toId"], edge["toId"]))
    return [
        {"title": titles.get(name, name), "of": sorted(of)}
        for name, of in sorted(made.items(), key=lambda each: titles.get(each[0], each[0]))
    ]
