"""The paths of the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import FileResponse, Response
from starlette.routing import Route

from metadata_api.console.pages import data, endpoints, lineage, overview, runs, sign_in, units
from metadata_api.console.rendering import FOLDER
from metadata_api.console.visits import action, page, with_headers

if TYPE_CHECKING:
    from starlette.requests import Request

FILES = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}


async def static_file(request: Request) -> Response:
    """One of the console's own files; anybody may have them."""
    name = request.path_params["name"]
    if name not in FILES:
        return with_headers(Response(status_code=404))
    return with_headers(FileResponse(FOLDER / "static" / name, media_type=FILES[name]))


_PAGES = (
    ("", overview.overview),
    ("/board", overview.board),
    ("/add", endpoints.new_endpoint),
    ("/endpoints/{endpoint_id}", endpoints.endpoint),
    ("/endpoints/{endpoint_id}/live", endpoints.endpoint_live),
    ("/unit", units.unit),
    ("/unit/live", units.unit_live),
    ("/unit/options", units.unit_options),
    ("/runs/{run_id}", runs.run),
    ("/runs/{run_id}/live", runs.run_live),
    ("/data", data.data),
    ("/data/rows", data.rows),
    ("/lineage", lineage.lineage),
    ("/help/{code}", sign_in.error_help),
)
_ACTIONS = (
    ("/add", endpoints.add_endpoint),
    ("/endpoints/{endpoint_id}", endpoints.change_endpoint),
    ("/endpoints/{endpoint_id}/test", endpoints.test_endpoint),
    ("/endpoints/{endpoint_id}/collect", endpoints.collect),
    ("/endpoints/{endpoint_id}/switch", endpoints.switch),
    ("/endpoints/{endpoint_id}/provision", endpoints.provision),
    ("/endpoints/{endpoint_id}/remove", endpoints.remove),
    ("/unit/save", units.save),
    ("/unit/plan", units.plan),
    ("/unit/start", units.start),
    ("/unit/pause", units.pause),
    ("/unit/reset", units.reset),
    ("/unit/watermark", units.watermark),
    ("/unit/provision", units.provision_model),
)

ROUTES = [
    Route("/console/static/{name}", static_file, methods=["GET"]),
    Route("/console/sign-in", sign_in.sign_in, methods=["GET", "POST"]),
    Route("/console/sign-out", sign_in.sign_out, methods=["POST"]),
    *(Route(f"/console{path}", page(handler), methods=["GET"]) for path, handler in _PAGES),
    *(Route(f"/console{path}", action(handler), methods=["POST"]) for path, handler in _ACTIONS),
]
