"""The blocks an operator sees: a form per endpoint template, staging areas, checkpoints, other state.

The UI lists blocks by type, so the names of types sort: endpoints, then staging, then state, of which there is most.

The form of a template is made from its config class, so a connector brings its form with it. Nothing is generated
before it is asked for: generating imports the connector. ``prefect block register --module flows.blocks`` finds all.
"""

from __future__ import annotations

import copy
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from prefect.blocks.core import Block
from pydantic import Field, JsonValue, SecretBytes, SecretStr

from connectors.config_fields import spelled_name
from connectors.load_config import load_config
from connectors.registry import EndpointRegistry
from contracts.errors import ConfigInvalidError
from staging.config import LocalStagingConfig, MemoryStagingConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from contracts.endpoint import EndpointFactory

REGISTRY = EndpointRegistry()
MASK = "********"
"""What a secret reads where it is shown."""
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class EndpointBlock(Block):
    """Connection of one endpoint; the block's name is the endpoint's id."""

    _template_id: ClassVar[str] = ""

    def to_config(self) -> Any:
        """The template's config.

        Raises:
            ConfigInvalidError: The fields do not make a config together.
        """
        return config_of(self._template_id, {name: getattr(self, name) for name in type(self).model_fields})

    @classmethod
    def from_config(cls, config: BaseModel) -> EndpointBlock:
        """The block of a config of the same template."""
        return cls(**dict(config))


class LocalStagingBlock(Block):
    """Staging in a folder that all workers share; it is made when it is missing."""

    _block_type_name = "Nucleus staging: folder"
    _block_type_slug = "nucleus-local-staging"

    folder: str = Field(description="Absolute path.")
    durable: bool = Field(default=False, description="Wait for the disk on every write.")

    def to_config(self) -> LocalStagingConfig:
        """The config of the provider; makes the folder."""
        folder = Path(self.folder).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        return LocalStagingConfig(path=folder, durable=self.durable)


class MemoryStagingBlock(Block):
    """Staging in the memory of the one process that runs the flow."""

    _block_type_name = "Nucleus staging: memory"
    _block_type_slug = "nucleus-memory-staging"

    limit_bytes: int = Field(256 * 1024 * 1024, ge=1, description="Stored bytes of all sessions together.")

    def to_config(self) -> MemoryStagingConfig:
        """The config of the provider."""
        return MemoryStagingConfig(limit_bytes=self.limit_bytes)


class CheckpointBlock(Block):
    """Saved progress of one (endpoint, unit, sink). An edited cursor is where the next run begins."""

    _block_type_name = "Nucleus state: checkpoint"
    _block_type_slug = "nucleus-checkpoint"

    endpoint_id: str = Field(description="Where the rows come from.")
    unit_id: str = Field(description="What is moved.")
    sink_id: str = Field(description="Where the rows go.")
    cursor: dict[str, JsonValue] = Field(description="The source's own cursor; edit it only while no run is alive.")
    last_run_id: str = Field(description="The run that saved it.")
    last_updated_at: str = Field(description="When that was, ISO 8601.")
    stats: dict[str, JsonValue] = Field(default_factory=dict, description="What that run counted.")
    version: int = Field(1, ge=1, description="Grows with every save.")
    key: str = Field(description="The whole key; not to be edited.")
    saved_at: str = Field(description="When this version was saved, ISO 8601.")


class StateEntryBlock(Block):
    """Any other operational state: catalogs, unit settings, unit states."""

    _block_type_name = "Nucleus state: other"
    _block_type_slug = "nucleus-state"

    namespace: str = Field(description="Kind of state.")
    scope_id: str = Field(description="The endpoint it belongs to.")
    key: str = Field(description="The key inside; not to be edited.")
    value: str = Field(description="The value, as JSON text.")
    version: int = Field(1, ge=1, description="Grows with every save.")
    saved_at: str = Field(description="When this version was saved, ISO 8601.")


def check_id(block_id: str, what: str = "endpoint") -> str:
    """The id, if it can name a block; Prefect's own rule also lets a trailing newline through.

    Raises:
        ConfigInvalidError: It has other characters than a-z, 0-9 and single hyphens between them.
    """
    if not _ID.fullmatch(block_id):
        raise ConfigInvalidError(
            f"{block_id!r} cannot be the id of a {what}", "Use a-z, 0-9 and single hyphens between them.", id=block_id
        )
    return block_id


def slug_of(template_id: str) -> str:
    """The block type's slug: ``nucleus-`` and the template id with dashes."""
    return "nucleus-" + re.sub(r"[^a-z0-9]+", "-", template_id.lower())


def template_slugs() -> dict[str, str]:
    """Slug to template id, of every template there is. Imports no connector."""
    return {slug_of(template_id): template_id for template_id in REGISTRY.template_ids()}


@cache
def endpoint_block(template_id: str) -> type[EndpointBlock]:
    """The block class of a template; raises EndpointUnknownError."""
    factory = REGISTRY.get(template_id)
    about = factory.descriptor
    names: dict[str, Any] = {
        "__module__": __name__,
        "__doc__": f"{about.description or about.title}\n",
        "__annotations__": {name: field.annotation for name, field in factory.config_class.model_fields.items()},
        "_template_id": about.template_id,
        "_block_type_name": f"Nucleus endpoint: {about.title}",
        "_block_type_slug": slug_of(about.template_id),
        **{name: copy.copy(field) for name, field in factory.config_class.model_fields.items()},
    }
    metaclass: Any = type(EndpointBlock)
    made: type[EndpointBlock] = metaclass(_class_name(about.template_id), (EndpointBlock,), names)
    return made


def endpoint_blocks() -> tuple[type[EndpointBlock], ...]:
    """The block classes of all templates whose connector works."""
    return tuple(endpoint_block(about.template_id) for about in REGISTRY.descriptors())


def config_of(template_id: str, values: Mapping[str, Any]) -> Any:
    """The template's config from what a form or a saved block holds.

    A field left empty has its default, and what an older version of the connector asked for is ignored.

    Raises:
        EndpointUnknownError: There is no such template.
        ConfigInvalidError: A field is malformed.
    """
    config_class = REGISTRY.get(template_id).config_class
    names = {name: spelled_name(name, field) for name, field in config_class.model_fields.items()}
    given = {spelled: values.get(spelled, values.get(name)) for name, spelled in names.items()}
    return load_config(config_class, {name: value for name, value in given.items() if value is not None}, template_id)


def plain_fields(config: BaseModel) -> dict[str, Any]:
    """JSON values of a config as its block saves them: secrets in the clear."""
    shown = config.model_dump(mode="json", by_alias=True)
    named = {spelled_name(name, field): name for name, field in type(config).model_fields.items()}
    return {spelled: _revealed(getattr(config, named[spelled]), value) for spelled, value in shown.items()}


def masked(kind: type[Block], data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as the API shows them to those who may not see secrets."""
    secret = set(kind.model_json_schema()["secret_fields"])
    return {name: MASK if name in secret and value else value for name, value in data.items()}


def factory_of(template_id: str) -> EndpointFactory:
    """The factory of a template; raises EndpointUnknownError."""
    return REGISTRY.get(template_id)


def _revealed(value: object, shown: object) -> object:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, SecretBytes):
        return value.get_secret_value().decode()
    if isinstance(value, list | tuple) and isinstance(shown, list):
        return [_revealed(one, dumped) for one, dumped in zip(value, shown, strict=True)]
    return shown


def _class_name(template_id: str) -> str:
    return "".join(word.capitalize() for word in re.split(r"[^a-z0-9]+", template_id.lower())) + "Endpoint"


def _by_class_name() -> dict[str, str]:
    return {_class_name(template_id): template_id for template_id in REGISTRY.template_ids()}


def __getattr__(name: str) -> Any:
    if name == "S3StagingBlock":
        from flows.blocks.s3 import S3StagingBlock  # noqa: PLC0415 - prefect_aws is slow to load

        return S3StagingBlock
    if template_id := _by_class_name().get(name):
        return endpoint_block(template_id)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_by_class_name(), "S3StagingBlock"} - {"EndpointBlock"})
