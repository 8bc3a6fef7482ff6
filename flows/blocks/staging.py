"""From a saved staging block to the config of its provider."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING

from pydantic import ValidationError

from contracts.errors import ConfigInvalidError

if TYPE_CHECKING:
    from flows.prefect_api.block_documents import BlockDocuments
    from staging.config import StagingConfig

CLASSES = {
    "nucleus-local-staging": "flows.blocks.types:LocalStagingBlock",
    "nucleus-memory-staging": "flows.blocks.types:MemoryStagingBlock",
    "nucleus-s3-staging": "flows.blocks.s3:S3StagingBlock",
}
"""Slug of the block type to its class; imported when a block of that type is used."""


def load_staging(documents: BlockDocuments, staging_id: str) -> StagingConfig | None:
    """The config of the saved block, or None when no staging block has that name.

    Raises:
        ConfigInvalidError: The block's fields make no config.
        ControlPlaneError: The Prefect API does not answer.
    """
    document = next(documents.find([*CLASSES], name=staging_id, secrets=True), None)
    if document is None:
        return None
    try:
        config: StagingConfig = resolve_name(CLASSES[document.slug]).model_validate(document.data).to_config()
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_input=False)]
    else:
        return config
    # Outside the handler: pydantic's own error holds the input, secrets too.
    raise ConfigInvalidError(
        f"The staging block {staging_id!r} cannot be used: {'; '.join(problems)}",
        "Correct it in the Prefect UI (Blocks).",
        staging_id=staging_id,
    )
