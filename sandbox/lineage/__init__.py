"""A receiver of OpenLineage events on loopback, which takes what is valid and nothing else."""

from sandbox.lineage.receiver import SandboxLineage
from sandbox.lineage.schemas import problem_of

__all__ = ["SandboxLineage", "problem_of"]
