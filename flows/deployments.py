"""What is deployed: ``nucleus up`` applies it, and ``prefect.yaml`` says the same for ``prefect deploy --all``."""

from __future__ import annotations

import os
import sys
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectAlreadyExists
from prefect.types.entrypoint import EntrypointType
from prefect.utilities.processutils import command_to_string
from prefect.workers.process import ProcessWorker

from flows.blocks.types import CheckpointBlock, LocalStagingBlock, MemoryStagingBlock, StateEntryBlock, endpoint_blocks
from flows.prefect_api.block_documents import BlockDocuments

if TYPE_CHECKING:
    from prefect.blocks.core import Block
    from prefect.deployments.runner import RunnerDeployment
    from prefect.flows import Flow

    from flows.prefect_api.client import ControlPlane

POOL = "nucleus"
_POOL_VARIABLES = ("env", "working_dir")


class Deployed(NamedTuple):
    """One flow as it is deployed."""

    name: str
    entrypoint: str
    """``file:function``, from the root of the checkout."""
    description: str
    tag: str
    """What kind of work it is; every deployment also has the tag ``nucleus``."""
    cron: str | None = None
    parameters: dict[str, Any] | None = None

    @property
    def module_path(self) -> str:
        """The same as ``package.module.function``: it needs no checkout in the working folder."""
        return self.entrypoint.replace(".py:", ".").replace("/", ".")


DEPLOYMENTS = (
    Deployed(
        "ingest-unit",
        "flows/ingest_unit.py:ingest_unit",
        "Moves one unit of an endpoint into a sink. Run it again to go on where a run stopped.",
        "ingestion",
    ),
    Deployed(
        "ingest-endpoint",
        "flows/ingest_endpoint.py:ingest_endpoint",
        "Moves every enabled unit of an endpoint into a sink, a few at a time.",
        "ingestion",
    ),
    Deployed(
        "collect-catalog",
        "flows/collect_catalog.py:collect_catalog",
        "Reads which datasets an endpoint has. Units can be ingested once this has run.",
        "metadata",
    ),
    Deployed(
        "preview-dataset",
        "flows/preview_dataset.py:preview_dataset",
        "Shows the first rows of a unit.",
        "metadata",
    ),
    Deployed(
        "clean-staging",
        "flows/clean_staging.py:clean_staging",
        "Removes staged files that are past their time; what a live run needs stays.",
        "maintenance",
        "17 * * * *",
        {"ttl_s": 86_400.0},
    ),
    Deployed(
        "compact-tables",
        "flows/compact_tables.py:compact_tables",
        "Gathers small files of lake tables, expires old versions, removes what cut-off runs left.",
        "maintenance",
        "43 3 * * *",
    ),
    Deployed(
        "reset-checkpoint",
        "flows/reset_checkpoint.py:reset_checkpoint",
        "Forgets how far a unit was read. The next incremental run reads everything.",
        "maintenance",
    ),
)


def register_blocks(plane: ControlPlane) -> tuple[str, ...]:
    """Make every block type's form known to the server; their slugs, in order."""
    from flows.blocks.s3 import S3StagingBlock  # noqa: PLC0415 - slow to load

    documents = BlockDocuments(plane)
    kinds: tuple[type[Block], ...] = (
        CheckpointBlock,
        StateEntryBlock,
        LocalStagingBlock,
        MemoryStagingBlock,
        S3StagingBlock,
        *endpoint_blocks(),
    )
    for kind in kinds:
        documents.register(kind)
    return tuple(kind.get_block_type_slug() for kind in kinds)


def make_pool() -> None:
    """The process work pool, if it is missing, or if a worker that started first made it with Prefect's defaults.

    The server checks the schema of the pool's variables whenever a run is created, which is a third of that call's
    cost; so the pool has only those that a person changes: environment and working folder. Its limit is for one worker
    on a machine like this one: what exceeds it waits, and Prefect shows it as late.

    The command is the one that Prefect's worker ends up with, and it is named: without one, the worker (read in Prefect
    3.8) first starts a process that imports the flow to see where it lies, and writes the run's environment, secrets
    included, into a file for it. That is as much work again as starting the run.
    """
    with get_client(sync_client=True) as client:
        whole = ProcessWorker.get_default_base_job_template()
        template, limit = _job_template(whole), most_runs()
        try:
            client.create_work_pool(
                WorkPoolCreate(name=POOL, type="process", base_job_template=template, concurrency_limit=limit)
            )
        except (
            ObjectAlreadyExists
        ):  # an earlier `nucleus up` made it, and a person may have changed it; or a worker did
            pool = client.read_work_pool(POOL)
            if pool.base_job_template == whole and pool.concurrency_limit is None:
                client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=template, concurrency_limit=limit))
            elif _without_command(pool.base_job_template) == _without_command(template):
                client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=template))


def _job_template(whole: dict[str, Any]) -> dict[str, Any]:
    properties = whole["variables"]["properties"]
    variables = {name: f"{{{{ {name} }}}}" for name in _POOL_VARIABLES}
    return {
        "job_configuration": {"command": command_to_string([sys.executable, "-m", "prefect.engine"]), **variables},
        "variables": {"type": "object", "properties": {name: properties[name] for name in _POOL_VARIABLES}},
    }


def _without_command(template: dict[str, Any]) -> dict[str, Any]:
    """To compare: an older version named none, and another interpreter has another."""
    kept = {name: value for name, value in template.get("job_configuration", {}).items() if name != "command"}
    return {**template, "job_configuration": kept}


def most_runs() -> int:
    """Two runs for each core, and at least four: a start takes a core for seconds, a run mostly waits for others."""
    return max(4, 2 * (os.cpu_count() or 1))


def apply() -> None:
    """Create or update every deployment, for workers that can import this package."""
    for each in DEPLOYMENTS:
        flow: Flow[..., Any] = resolve_name(each.module_path.rpartition(".")[0] + ":" + each.entrypoint.split(":")[1])
        deployment = cast(
            "RunnerDeployment",
            flow.to_deployment(
                each.name,
                cron=each.cron,
                parameters=each.parameters,
                description=each.description,
                tags=["nucleus", each.tag],
                work_pool_name=POOL,
                entrypoint_type=EntrypointType.MODULE_PATH,
            ),
        )
        deployment.apply()
