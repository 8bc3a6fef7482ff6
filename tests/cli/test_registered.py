"""The commands over registered endpoints, with a control plane in memory and real databases."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from cli import workspace
from contracts.receipts import RunRef
from contracts.staging import StagingContext
from contracts.state import Checkpoint
from contracts.unit import UnitPolicy
from flows.wiring import close_live
from tests.cli.command import fails, nucleus, succeeds
from tests.cli.in_memory_workspace import InMemoryWorkspace

REF = RunRef(endpoint_id="shop", unit_id="public.numbers", sink_id="lake")


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A workspace that stays from command to command."""
    made = InMemoryWorkspace(tmp_path)
    monkeypatch.setattr(workspace, "open_workspace", lambda: made)
    monkeypatch.delenv("NUCLEUS_STAGING", raising=False)
    yield made
    made.close()
    close_live()


@pytest.fixture
def shop(kept, source, sink, numbers):
    """Two endpoints and a catalog."""
    add = ("endpoint", "add", "--template", "jdbc.postgres", "--secret", "url=env:THE_URL")
    succeeds(*add, "shop", THE_URL=source.url)
    succeeds(*add, "lake", "--set", "target_schema=landed", THE_URL=sink.url)
    succeeds("catalog", "collect", "shop")
    return kept


def test_templates():
    (template,) = [each for each in succeeds("template", "list")["templates"] if each["template_id"] == "jdbc.postgres"]
    assert template == succeeds("template", "show", "jdbc.postgres")["template"]
    assert "statement_timeout_s" in nucleus("template", "show", "jdbc.postgres").out
    assert "jdbc.postgres" in nucleus("template", "list").out
    assert fails("E_ENDPOINT_UNKNOWN", "template", "show", "jdbc.postgre")["facts"]["known"]


def test_secrets_come_from_their_places(kept, tmp_path):
    add = ("endpoint", "add", "--template", "jdbc.postgres")
    file = tmp_path / "secret"
    file.write_text("pass word\n")
    succeeds(*add, "a", "--set", "host=there", "--set", "port=5433", "--secret", f"password=file:{file}")
    succeeds(*add, "b", "--set", "include_schemas=x,y", "--secret", "password=env:HERE", HERE="pass word")
    asked = nucleus(*add, "c", "--secret", "password=prompt", answers="pass word\n")
    assert asked.code == 0, asked.said
    for endpoint_id in ("a", "b", "c"):
        assert kept.endpoints.get(endpoint_id)[1].password.get_secret_value() == "pass word"
        for done in (nucleus("endpoint", "show", endpoint_id), nucleus("endpoint", "show", endpoint_id, "--json")):
            assert done.code == 0
            assert "pass word" not in done.said
    assert kept.endpoints.get("b")[1].include_schemas == ("x", "y")
    shown = succeeds("endpoint", "show", "a")["endpoint"]
    assert (shown["config"]["password"], shown["config"]["port"]) == ("***", 5433)


@pytest.mark.parametrize(
    "options",
    [
        ("--secret", "password=hidden-secret"),
        ("--set", "password=hidden-secret"),
        ("--set", "url=postgresql://me:hidden-secret@there/db"),
        ("--secret", "password=env:NOT_SET_ANYWHERE"),
        ("--secret", "password=file:/nowhere/at/all"),
        ("--secret", "hidden-secret"),
        ("--set", "hidden-secret"),
    ],
)
def test_secrets_by_value_are_refused(kept, options):
    for as_json in ((), ("--json",)):
        done = nucleus("endpoint", "add", "x", "--template", "jdbc.postgres", *options, *as_json)
        assert done.code == 2, done.said
        assert "hidden-secret" not in done.said
    assert kept.endpoints.list() == ()
    if "password=hidden-secret" in options:
        assert "--secret password=env:NAME" in done.data["error"]["message"]


def test_configs_that_cannot_be_used(kept):
    add = ("endpoint", "add", "x", "--template")
    error = fails("E_CONFIG_INVALID", *add, "jdbc.postgres", "--set", "hots=there", "--set", "port=many")
    assert set(error["facts"]["fields"]) == {"hots", "port"}
    fails("E_ENDPOINT_UNKNOWN", *add, "jdbc.nothing")
    fails("E_ENDPOINT_UNKNOWN", "endpoint", "show", "x")
    fails("E_ENDPOINT_UNKNOWN", "endpoint", "remove", "x")


def test_endpoints(shop, source):
    assert [each["endpoint_id"] for each in succeeds("endpoint", "list")["endpoints"]] == ["lake", "shop"]
    assert succeeds("endpoint", "test", "shop")["connection"]["ok"] is True
    assert succeeds("endpoint", "test", "lake", "--as", "sink")["connection"]["account"] == "postgres"
    again = ("endpoint", "add", "shop", "--template", "jdbc.postgres", "--secret", "url=env:THE_URL")
    wrong = source.url.replace(f":{urlsplit(source.url).password}@", ":wrong-password@")
    assert nucleus(*again, THE_URL=wrong).code == 3
    succeeds(*again, "--replace", THE_URL=wrong)
    fails("E_SOURCE_AUTH", "endpoint", "test", "shop")
    assert succeeds("endpoint", "remove", "shop") == {"removed": "shop"}
    assert [each["endpoint_id"] for each in succeeds("endpoint", "list")["endpoints"]] == ["lake"]


def test_catalog(shop, source):
    assert [each["dataset_id"] for each in succeeds("catalog", "show", "shop")["catalog"]["datasets"]] == [REF.unit_id]
    assert succeeds("catalog", "show", "shop", REF.unit_id)["dataset"]["primary_key"] == ["id"]
    source.run("CREATE TABLE extra (id int PRIMARY KEY); ALTER TABLE numbers DROP COLUMN word")
    collected = succeeds("catalog", "collect", "shop")
    assert collected["catalog"]["datasets"] == 2
    assert succeeds("catalog", "diff", "shop")["diff"] == collected["diff"]
    assert collected["diff"]["added"] == ["public.extra"]
    assert "~ public.numbers: " in nucleus("catalog", "diff", "shop").out
    fails("E_CATALOG_MISSING", "catalog", "show", "lake")
    fails("E_DATASET_NOT_IN_CATALOG", "catalog", "show", "shop", "public.nothing")


def test_lineage(shop):
    known = succeeds("catalog", "collect", "shop") and succeeds("lineage", "shop", REF.unit_id)
    edges = [(each["edge_type"], each["from_id"], each["to_id"]) for each in known["edges"]]
    assert ("produces", f"kb:dataset:shop:{REF.unit_id}", f"kb:unit:shop:{REF.unit_id}") in edges
    assert {"contains"} < {kind for kind, *_ in edges}
    assert "produces" in nucleus("lineage", "shop", REF.unit_id).out
    fails("E_DATASET_NOT_IN_CATALOG", "lineage", "shop", "public.nothing")
    fails("E_CDM_MODEL_UNSUPPORTED", "unit", "entities", "shop", REF.unit_id)


def test_every_field_of_a_policy_can_be_set(shop):
    given = {
        "--where": "id>5", "--selector": "a=b", "--cursor": "changed", "--key": "id", "--slice-size": "32MiB",
        "--parallel": "2", "--on-gone": "delete", "--max-delete-fraction": "0.5", "--census-every": "86400",
        "--resume-within": "86400", "--target": "far.away",
    }  # fmt: skip
    words = [word for pair in given.items() for word in pair]
    succeeds("unit", "configure", "shop", REF.unit_id, "--allow-partial", *words)
    assert shop.units.config("shop", REF.unit_id).policy.model_fields_set == set(UnitPolicy.model_fields)
    kept = succeeds("unit", "configure", "shop", REF.unit_id)["config"]["policy"]
    assert (kept["parallel_slices"], kept["census_every_s"]) == (2, 86_400)


def test_units(shop):
    configure = ("unit", "configure", "shop", REF.unit_id)
    changed = succeeds(
        *configure, "--disable", "--mode", "incremental", "--cursor", "changed", "--sink", "lake", "--where", "id>5",
        "--schedule", "0 * * * *", "--target", "far.away", "--slice-size", "1MiB", "--on-gone", "tombstone",
    )["config"]  # fmt: skip
    assert (changed["enabled"], changed["mode"], changed["sink_id"]) == (False, "incremental", "lake")
    assert changed["policy"]["filter"] == [{"column": "id", "op": "gt", "value": "5"}]
    assert (changed["policy"]["target_namespace"], changed["policy"]["target_name"]) == ("far", "away")
    cleared = succeeds(*configure, "--enable", "--schedule", "", "--where", "", "--target", "")["config"]
    assert (cleared["enabled"], cleared["schedule"], cleared["policy"]["filter"]) == (True, None, [])
    assert cleared["policy"]["on_gone"] == "tombstone", "what is not given stays"
    assert succeeds(*configure)["config"] == cleared
    (unit,) = succeeds("unit", "list", "shop")["units"]
    assert unit["config"] == cleared
    assert nucleus(*configure, "--slice-size", "1").code == 2
    assert nucleus(*configure, "--unset", "nothing").code == 2
    succeeds(*configure, "--unset", "on_gone")
    assert "on_gone" not in shop.units.config("shop", REF.unit_id).policy.model_fields_set
    succeeds(*configure, "--schedule", "0 * * * *")
    assert [each["schedule"]["cron"] for each in shop.plane.schedules.values()] == ["0 * * * *"]
    fails("E_CONFIG_INVALID", *configure, "--schedule", "now and then")
    succeeds("endpoint", "disable", "shop")
    assert shop.plane.schedules == {}
    fails("E_ENDPOINT_DISABLED", "resume", "shop", REF.unit_id)
    succeeds("endpoint", "enable", "shop")
    assert len(shop.plane.schedules) == 1
    assert succeeds("catalog", "schedule", "shop", "30 5 * * *")["schedule"] == "30 5 * * *"
    assert sorted(each["schedule"]["cron"] for each in shop.plane.schedules.values()) == ["0 * * * *", "30 5 * * *"]
    fails("E_CONFIG_INVALID", "catalog", "schedule", "shop", "at night")
    fails("E_ENDPOINT_UNKNOWN", "catalog", "schedule", "nobody", "30 5 * * *")
    assert succeeds("catalog", "schedule", "shop", "off")["schedule"] is None
    assert len(shop.plane.schedules) == 1
    succeeds("pause", "shop", REF.unit_id)
    assert shop.plane.schedules == {}
    fails("E_DATASET_NOT_IN_CATALOG", "unit", "configure", "shop", "public.nothing", "--enable")


def test_preview(shop, source):
    source.run(
        "CREATE TABLE odd (id int PRIMARY KEY, f float8, b bytea, t timestamptz, n numeric);"
        "INSERT INTO odd VALUES (1, 'NaN', '\\xff00', 'infinity', 'NaN'), (2, NULL, NULL, '294000-01-01', 1.50),"
        "(3, '-Infinity', '', '0044-03-15 09:05:07.000001 BC', 0), (4, 0.1, '', '2026-11-21 10:00', 1e30)"
    )
    succeeds("catalog", "collect", "shop")
    shown = succeeds("preview", "shop", "public.odd", "--limit", "1", "--where", "id=1")
    assert shown["columns"] == ["id", "f", "b", "t", "n"]
    assert (shown["rows"][0]["f"], shown["rows"][0]["b"], shown["rows"][0]["n"]) == ("NaN", "ff00", "NaN")
    moments = {row["id"]: row["t"] for row in succeeds("preview", "shop", "public.odd")["rows"]}
    assert moments == {
        "1": "infinity",
        "2": "294000-01-01 00:00:00+00",
        "3": "-043-03-15 09:05:07.000001+00",
        "4": "2026-11-21 10:00:00+00",
    }
    assert nucleus("preview", "shop", "public.odd").code == 0


def test_plan_does_not_run(shop, source, sink):
    plan = succeeds("plan", "shop", REF.unit_id, "--mode", "full")["plan"]
    assert (plan["mode"], len(plan["slices"])) == ("full", 1)
    assert nucleus("plan", "shop", REF.unit_id).out.startswith("public.numbers: full, 1 slice(s), single")
    assert sink.run("SELECT to_regclass('landed.numbers')") == ""
    fails("E_CURSOR_UNSUPPORTED", "plan", "shop", REF.unit_id, "--mode", "incremental")
    source.run("ALTER TABLE numbers DROP COLUMN word")
    fails("E_SOURCE_SCHEMA_CHANGED", "plan", "shop", REF.unit_id)


def test_checkpoints(shop):
    shop.checkpoints("postgres").save(
        Checkpoint(**REF.model_dump(), cursor={"settled": "7"}, last_run_id="r", last_updated_at=datetime.now(UTC))
    )
    (held,) = succeeds("checkpoint", "show", "shop")["checkpoints"]
    assert (held["cursor"], held["sink_id"]) == ({"settled": "7"}, "lake")
    shop.checkpoints("postgres").save_transient(REF, {"project": {"A": "2026-01-02"}})
    (held,) = succeeds("checkpoint", "show", "shop")["checkpoints"]
    assert held["cursor"] == {"settled": "7", "transient": {"project": {"A": "2026-01-02"}}}
    assert "2026-01-02" in nucleus("checkpoint", "show", "shop").out
    assert succeeds("checkpoint", "show", "shop", "public.other")["checkpoints"] == []
    assert nucleus("checkpoint", "reset", "shop", REF.unit_id).code == 2, "no sink is set"
    assert succeeds("checkpoint", "reset", "shop", REF.unit_id, "--sink", "lake") == {"reset": True}
    assert succeeds("checkpoint", "reset", "shop", REF.unit_id, "--sink", "lake") == {"reset": False}


def test_status(shop, monkeypatch):
    monkeypatch.setattr("flows.prefect_api.client.find_api", lambda: "http://127.0.0.1:9/api")  # nothing answers there
    assert succeeds("status")["units"] == []
    shop.states.running(REF, "r1")
    (state,) = succeeds("status", "shop")["units"]
    assert (state["state"], state["unit_id"]) == ("FAILED", REF.unit_id), "no flow run of it goes on"
    assert "FAILED" in nucleus("status").out


def test_staging(shop):
    where = StagingContext(endpoint_id="shop", unit_id=REF.unit_id, run_id="r", slice_key="s", sequence=0, attempt="1")
    session = shop.staging().allocate_session(where)
    session.seal()
    session.close()
    assert len(succeeds("staging", "list")["sessions"]) == 1
    assert succeeds("staging", "clean")["cleaned"]["kept_sessions"] == 1
    assert succeeds("staging", "clean", "--older-than-hours", "0")["cleaned"]["removed_sessions"] == 1
    assert succeeds("staging", "list")["sessions"] == []
    fails("E_ENDPOINT_UNKNOWN", "staging", "list", "--staging", "nowhere")


def test_verify(shop, source, sink):
    command = ("verify", "shop", REF.unit_id, "--sink", "lake")
    assert nucleus("verify", "shop", REF.unit_id).code == 2, "no sink is set"
    sink.run("CREATE SCHEMA landed; CREATE TABLE landed.numbers (id int PRIMARY KEY, word text, changed timestamptz)")
    error = fails("E_VERIFY_MISMATCH", *command)
    assert (error["facts"]["rows_source"], error["facts"]["rows_sink"]) == (100, 0)
    lines = source.run("SELECT format('(%s,%L,%L)', id, word, changed) FROM numbers").splitlines()
    sink.run(f"INSERT INTO landed.numbers VALUES {','.join(lines)}")
    assert succeeds(*command)["verify"]["equal"] is True
    assert "equal on both sides" in nucleus(*command).out


def test_refused_before_anything_starts(shop):
    fails("E_DATASET_NOT_IN_CATALOG", "ingest", "shop", "public.nothing", "--sink", "lake")
    fails("E_CATALOG_MISSING", "ingest", "lake", REF.unit_id, "--sink", "shop")
    succeeds("unit", "configure", "shop", REF.unit_id, "--disable")
    fails("E_UNIT_DISABLED", "ingest", "shop", REF.unit_id, "--sink", "lake")
