"""What a connector says it can do, and what it can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.checks.check import CheckObservation, Group, failed, passed
from connector_kit.checks.expectations import describe_error
from connector_kit.checks.rows import difference, frame_of
from contracts.errors import IngestionError
from contracts.traits import (
    SupportsConsistentView,
    SupportsContentHash,
    SupportsDeleteDetection,
    SupportsFilterOptions,
    SupportsWatermark,
)

if TYPE_CHECKING:
    from connector_kit.checks.context import CheckContext
    from contracts.unit import IngestionMode

GROUP = Group("capabilities", "Capabilities")
TRAITS = {
    "ingest.consistent_view": SupportsConsistentView,
    "ingest.delete_detection": SupportsDeleteDetection,
    "ingest.filter_options": SupportsFilterOptions,
    "ingest.set_watermark": SupportsWatermark,
    "verify.content": SupportsContentHash,
}


@GROUP.check("true", "Declared capabilities are exactly those the source implements", "I7 I8")
def declared(context: CheckContext) -> CheckObservation:
    """Capabilities against traits, and against the modes of units."""
    with context.connected() as one:
        listed = set(one.source.descriptor.capabilities)
        units = one.source.list_units(one.source.collect_catalog("checked"))
        there = {name: isinstance(one.source, trait) for name, trait in TRAITS.items()}
    there["ingest.incremental"] = any("incremental" in unit.supported_modes for unit in units)
    there["ingest.full"] = any("full" in unit.supported_modes for unit in units)
    wrong = [
        f"{name} is {'declared and absent' if name in listed else 'there and not declared'}"
        for name, real in there.items()
        if (name in listed) != real
    ]
    sent = f"the descriptor declares {', '.join(sorted(listed))}"
    return CheckObservation(
        not wrong, sent, "; ".join(wrong) or "the traits and modes are the same", "the same in the source"
    )


@GROUP.check("described", "The descriptor describes every config field and marks the secret ones", "I10")
def described(context: CheckContext) -> CheckObservation:
    """Fields of the descriptor against those of the config."""
    factory = context.system.factory
    real = set(factory.config_class.model_fields)
    named = {field.name: field for field in factory.descriptor.fields}
    wrong = [f"{name} is missing" for name in sorted(real - set(named))]
    wrong += [f"{name} is no field" for name in sorted(set(named) - real)]
    wrong += [f"{name} has no description" for name, field in sorted(named.items()) if not field.description]
    secret = {name for name, one in factory.config_class.model_fields.items() if "Secret" in str(one.annotation)}
    wrong += [f"{name} is secret and not marked so" for name in sorted(secret & set(named)) if not named[name].secret]
    sent = f"a config of {len(real)} fields, {len(secret)} of them secret"
    return CheckObservation(
        not wrong, sent, "; ".join(wrong) or "all described", "a description for each, secrets marked"
    )


@GROUP.check("modes", "A mode that the unit supports can be planned; any other is refused", "I7")
def modes(context: CheckContext) -> CheckObservation:
    """Both modes are planned."""
    sent, expected = "plans in mode full and incremental", "a plan for the unit's modes, a typed error for others"
    seen = []
    every: tuple[IngestionMode, ...] = ("full", "incremental")
    with context.connected() as one:
        for mode in every:
            has = mode in one.unit.supported_modes
            try:
                one.plan(mode)
            except IngestionError as error:
                if has or not error.next_step:
                    return failed(sent, f"{mode}: {describe_error(error)}", expected)
                seen.append(f"{mode} is refused ({error.code})")
            else:
                if not has:
                    return failed(sent, f"a plan in mode {mode}, which the unit does not have", expected)
                seen.append(f"{mode} is planned")
    return passed(sent, ", ".join(seen), expected)


@GROUP.check("connection", "A working connection names the account and the server version", "I7")
def connection(context: CheckContext) -> CheckObservation:
    """The report of the connection."""
    with context.connected() as one:
        report = one.source.test_connection()
    received = f"ok: {report.ok}, account {report.account!r}, version {report.server_version!r}"
    right = report.ok and bool(report.account) and bool(report.server_version)
    return CheckObservation(right, "good credentials", received, "ok, an account and a version")


@GROUP.check("preview", "A preview is short, has the unit's columns and changes nothing that is read later", "I7 I1")
def preview(context: CheckContext) -> CheckObservation:
    """Three rows of each unit; then all rows of the checked one, by the same source."""
    sent = "a preview of 3 rows of every unit, then a full read"
    expected = "at most 3 rows, the unit's columns in order; then every row"
    truth = context.truth
    with context.connected() as other:
        plan = context.plan(other)
    with context.connected() as one:
        units = one.source.list_units(one.source.collect_catalog("checked"))
        for unit in units:
            frame = frame_of(one.source.preview(unit, 3))
            if frame.height > 3 or frame.columns != [column.name for column in unit.columns]:
                return failed(sent, f"{unit.unit_id}: {frame.height} rows of {frame.columns}", expected)
        reading = one.read(plan)
    if reading.error is not None:
        return failed(sent, describe_error(reading.error), expected)
    if mismatch := difference(truth, reading.rows):
        return failed(sent, mismatch, expected)
    return passed(sent, f"so for {len(units)} units, and {len(reading.rows)} rows", expected)


@GROUP.check("reopen", "A closed source can be used again", "I3")
def reopen(context: CheckContext) -> CheckObservation:
    """Asked, closed twice, asked again."""
    with context.connected() as one:
        one.source.test_connection()
        one.source.close()
        one.source.close()
        report = one.source.test_connection()
    return CheckObservation(report.ok, "the source is asked, closed twice and asked again", "an answer", "an answer")
