"""What the registry loads for ``http.jira``."""

from __future__ import annotations

from connectors.jira.config import JiraConfig
from connectors.jira.descriptor import DESCRIPTOR
from connectors.jira.source import JiraSource
from contracts.errors import EndpointUnknownError


class JiraFactory:
    """Builds the source; Jira is no sink."""

    descriptor = DESCRIPTOR
    config_class = JiraConfig

    def source(self, config: JiraConfig) -> JiraSource:
        """A source over the config."""
        return JiraSource(config)

    def sink(self, config: JiraConfig) -> JiraSource:
        """Always refused."""
        raise EndpointUnknownError(
            f"Template {DESCRIPTOR.template_id} is a source only ({config.base_url})",
            "Use an endpoint of another template as the sink.",
            template_id=DESCRIPTOR.template_id,
        )


FACTORY = JiraFactory()
