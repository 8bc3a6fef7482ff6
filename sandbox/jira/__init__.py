"""A Jira Cloud site on loopback: the documented REST v3 behaviour, its limits and its faults, over data of any size."""

from sandbox.jira.server import JiraFaults, SandboxJira
from sandbox.jira.site import JiraSite

__all__ = ["JiraFaults", "JiraSite", "SandboxJira"]
