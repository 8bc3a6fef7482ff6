"""A unit that no test system reads is a finding."""

from __future__ import annotations

from connector_kit.checks.all_checks import CHECKS
from connector_kit.checks.coverage import coverage_of
from connector_kit.checks.run import run_check
from connector_kit.promote.conformance import test_text as text_of
from connector_kit.promote.layout import ConnectorLayout
from tests.connector_kit.mutants.planted_misses import with_versions
from tests.connectors.openshelf import system as module
from tests.connectors.openshelf.list_systems import AuthorsTestSystem
from tests.connectors.openshelf.system import OpenshelfTestSystem


def test_a_unit_without_a_test_system_is_a_finding_with_a_proposal():
    with OpenshelfTestSystem() as system:
        found = coverage_of("of_a_notebook", [OpenshelfTestSystem, AuthorsTestSystem], system)
        assert not found.good
        assert found.received == "no test system for openshelf.loans"
        assert "class OpenshelfLoansTestSystem(OpenshelfTestSystem):" in found.expected
        assert (
            coverage_of(module.__name__, [OpenshelfTestSystem], system).verdict == "passed"
        )  # list_systems is beside it

        class Excused(OpenshelfTestSystem):
            unchecked = dict.fromkeys(("openshelf.authors", "openshelf.loans"), "few")

        assert coverage_of("of_a_notebook", [Excused], system).verdict == "passed"


def test_every_test_system_gets_a_suite(tmp_path):
    layout = ConnectorLayout(tmp_path, "acme", ours=True, package="connectors.acme", folder="connectors/acme")
    text = text_of(layout, "http.acme", {"AcmeTestSystem", "AcmeBooksTestSystem", "timedelta", "TestSystem"})
    assert "import AcmeBooksTestSystem, AcmeTestSystem\n" in text
    assert "class TestAcmeBooks(ConnectorSuite):\n    system_class = AcmeBooksTestSystem\n" in text
    assert text.count("ConnectorSuite)") == 2


def test_true_versions_pass(monkeypatch):
    with_versions(lambda row: row)(monkeypatch)
    with OpenshelfTestSystem() as system:
        result = run_check(system, CHECKS["incremental.key-versions"])
    assert (result.verdict, result.received) == ("passed", "updated_at of 130 rows")
