from __future__ import annotations

from connector_kit.checks.pytest_suite import ConnectorSuite
from tests.connector_kit.systems.confluence import (
    AttachmentsTestSystem,
    ConfluenceCommentsTestSystem,
    ConfluencePagesTestSystem,
    SpacesTestSystem,
)


class TestSpaces(ConnectorSuite):
    """One list, read in full."""

    system_class = SpacesTestSystem
    only = ("catalog", "plan", "schema.no-key", "pages", "errors.refused", "incremental.removed")


class TestAttachments(ConnectorSuite):
    """A list of the whole site, the newest first; what it shares with the two lists of comments is checked there."""

    system_class = AttachmentsTestSystem
    only = ("catalog", "plan", "schema", "pages", "rows", "incremental", "state", "errors.refused", "errors.keys")


class TestConfluenceComments(ConnectorSuite):
    """Two lists of the whole site."""

    system_class = ConfluenceCommentsTestSystem


class TestConfluencePages(ConnectorSuite):
    """Listed without bodies, then fetched by id.

    Checks that put something into a row or a page of the list are left out: what is listed is not what is given, and
    what is fetched by id has no pages that follow. The proofs of exactness have those traps. Links are read from the
    bodies of the same answers, so the kit would find no field of theirs; they stand in the proofs too.
    """

    system_class = ConfluencePagesTestSystem
    only = ("catalog", "plan", "incremental", "state", "secrets", "errors.login", "errors.retries-end")
