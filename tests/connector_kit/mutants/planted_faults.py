"""Bugs in the face of faults, clocks, metadata and secrets."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import httpx
from pydantic import Field

from connectors.http import client, paged
from connectors.http.client import HttpClient, Refusal
from connectors.http.governor import Governor
from connectors.http.json_api import JsonApi, PagedSettings
from connectors.http.listing import Listing
from connectors.http.paging import Account, Page
from connectors.http.redaction import Redactor
from connectors.openshelf.client import OpenshelfClient
from connectors.openshelf.source import FACTORY, OpenshelfSource
from contracts.errors import ModeUnsupportedError, SourceAuthError, SourcePageFailedError, SourceUnreachableError
from contracts.plan import IngestionPlan
from tests.connector_kit.mutants.planting import Mutant, around, put, swallowing


def _passed_over(status):
    def change(original, self):
        yield from original(self)
        if self.refusal and self.refusal.status == status:
            self.refusal = None

    return around(Listing, "__iter__", change)


def _keys_in_part(original, self, plan, view=None):
    frames = original(self, plan, view)
    try:
        yield from frames
    except Exception:
        return


def _at_next_host(original, self, ask):
    if isinstance(ask.token, str) and ask.token.startswith("http"):
        httpx.get(ask.token, headers=self._headers)
        return Page([])
    return original(self, ask)


def _by_server_clock(original, self, answer):
    original(self, answer)
    self.clock = datetime.strptime(answer.headers["Date"], "%a, %d %b %Y %H:%M:%S %Z").replace(tzinfo=UTC)


def _until_server_clock(patch):
    around(JsonApi, "_look_at", _by_server_clock)(patch)

    def change(original, self, ask):
        page, clock = original(self, ask), self.clock
        kept = [row for row in page.rows if "title" not in row or datetime.fromisoformat(row["updated_at"]) <= clock]
        return Page(kept, page.next, None)

    around(OpenshelfClient, "books", change)(patch)


class _Plain(PagedSettings):
    token: str = Field(description="Access token of the account.")


def _shown_config(patch):
    patch.setattr(FACTORY, "config_class", _Plain)
    headers = "Authorization"
    around(
        OpenshelfClient,
        "__init__",
        lambda _, self, config: JsonApi.__init__(self, config, {headers: f"Bearer {config.token}"}),
    )(patch)


def _told_in_report(original, self):
    account = original(self)
    return Account(account.name, account.version, {"authorization": self._headers["Authorization"]})


def _logged(original, self, method, path, where, how):
    logging.getLogger("connectors.openshelf").debug("asking %s with %s", path, self._headers)
    return original(self, method, path, where, how)


def _declaring_otherwise(capability):
    """It is declared where it is absent, and not where it is there."""

    def plant(patch):
        declared = FACTORY.descriptor.capabilities
        kept = tuple(one for one in declared if one != capability)
        other = kept if len(kept) < len(declared) else (*declared, capability)
        made = FACTORY.descriptor.model_copy(update={"capabilities": other})
        patch.setattr(FACTORY, "descriptor", made)
        patch.setattr(OpenshelfSource, "descriptor", made)

    return plant


def _planned_without_retries(patch):
    planning = []

    def plan(original, self, request):
        planning.append(request)
        try:
            return original(self, request)
        finally:
            planning.pop()

    around(OpenshelfSource, "plan", plan)(patch)
    around(Governor, "may_retry", lambda original, self: not planning and original(self))(patch)


def _all_units(original, self, catalog):
    return original(self, self.collect_catalog("checked"))


def _always_again(patch):
    patch.setattr(Governor, "may_retry", lambda self: True)
    patch.setattr(Governor, "backoff_s", lambda self, tries: 0.0)
    around(HttpClient, "__init__", _many_tries)(patch)


def _many_tries(original, self, base_url, settings, *args, **named):
    original(self, base_url, settings.model_copy(update={"max_tries": 10**9}), *args, **named)


def _once(original, self, base_url, settings, *args, **named):
    original(self, base_url, settings.model_copy(update={"max_tries": 1}), *args, **named)


def _no_login(original, self):
    try:
        return original(self)
    except SourceAuthError:
        return Account("somebody", version="1")


def _field_untold(patch):
    described = FACTORY.descriptor
    patch.setattr(FACTORY, "descriptor", described.model_copy(update={"fields": described.fields[1:]}))


def _no_increments(original, probe, request, settings, now):
    if request.mode == "incremental":
        raise ModeUnsupportedError("not today", "Use mode full.")
    return original(probe, request, settings, now)


def _first_unit(_unit, _vendor, units):
    return units[0]


def _planned_anyway(original, probe, request, settings, now):
    try:
        return original(probe, request, settings, now)
    except (Refusal, SourcePageFailedError):
        return IngestionPlan(
            endpoint_id=request.endpoint_id,
            unit=request.unit,
            mode="full",
            strategy="none",
            slices=(),
            policy=request.policy,
        )


def _impatient(original, self, base_url, settings, *args, **named):
    quick = settings.model_copy(update={"max_tries": 1, "request_timeout_s": 0.05})
    original(self, base_url, quick, *args, **named)


def _since_server_clock(patch):
    around(JsonApi, "_look_at", _by_server_clock)(patch)

    def change(original, self, ask):
        page, clock = original(self, ask), self.clock - timedelta(days=400)
        kept = [row for row in page.rows if "title" not in row or datetime.fromisoformat(row["updated_at"]) >= clock]
        return Page(kept, page.next, None)

    around(OpenshelfClient, "books", change)(patch)


def _undisturbed(patch):
    """Neither a list nor the login that is proven after it minds that the service wants to be left alone."""

    def me(original, self):
        try:
            return original(self)
        except SourcePageFailedError:
            return Account("somebody", "1")

    swallowing(SourcePageFailedError)(patch)
    around(OpenshelfClient, "me", me)(patch)


MUTANTS = (
    Mutant("403 is swallowed", "errors.staying-403", _passed_over(403)),
    Mutant("404 is swallowed", "errors.staying-404", _passed_over(404)),
    Mutant("401 is an empty page", "errors.staying-401", swallowing(SourceAuthError)),
    Mutant("a login that failed is a stranger's", "errors.login", around(OpenshelfClient, "me", _no_login)),
    Mutant("a cut body is the end", "errors.staying-cut", swallowing(SourceUnreachableError)),
    Mutant("a corrupt body is skipped", "errors.staying-corrupt", swallowing(SourcePageFailedError)),
    Mutant("what fails once has failed", "errors.passing-503", around(HttpClient, "__init__", _once)),
    Mutant("a connection that breaks once has failed", "errors.passing-cut", around(HttpClient, "__init__", _once)),
    Mutant("failing is tried again for ever", "errors.retries-end", _always_again),
    Mutant("Retry-After is ignored", "errors.retry-after", around(Governor, "was_throttled", lambda original, self, began, pause_s: original(self, began, 0.0))),
    Mutant("Retry-After as a date is ignored", "errors.retry-after-date", around(client, "retry_after_s", lambda original, value: original(value) if value and value.isdecimal() else None)),
    Mutant("an error has no next step", "errors.unreachable", put(client, "_unreachable", lambda error, where: SourceUnreachableError(str(error)))),
    Mutant("an error is httpx's own", "errors.timeout", put(client, "_unreachable", lambda error, where: error)),
    Mutant("keys are listed in part", "errors.keys", around(OpenshelfSource, "export_keys", _keys_in_part)),
    Mutant("the server's clock is believed", "clock.behind", _until_server_clock),
    Mutant("a capability is declared and absent", "capabilities.true", _declaring_otherwise("ingest.consistent_view")),
    Mutant("watermarks are declared and cannot be set", "capabilities.true", _declaring_otherwise("ingest.set_watermark")),
    Mutant("a plan gives up at the first failure", "errors.mixed", _planned_without_retries),
    Mutant("a preview is everything", "capabilities.preview", around(OpenshelfSource, "preview", lambda original, self, unit, limit, where=(): original(self, unit, limit + 1, where))),
    Mutant("a closed source stays closed", "capabilities.reopen", put(HttpClient, "close", lambda self: self._http and self._http.close())),
    Mutant("a unit is not in the catalog", "catalog.units", around(OpenshelfSource, "list_units", _all_units)),
    Mutant("a catalog is never the same", "catalog.stable", around(paged, "datasets", lambda original, vendor, namespace, units: original(vendor, f"{namespace}{datetime.now(UTC).timestamp()}", units))),
    Mutant("a secret is in an error", "secrets.in-errors", put(Redactor, "text", lambda self, text: text)),
    Mutant("a secret is in the report of the connection", "secrets.in-rows", around(OpenshelfClient, "me", _told_in_report)),
    Mutant("a secret is plain text in the config", "secrets.in-config", _shown_config),
    Mutant("a secret is logged", "secrets.in-logs", around(HttpClient, "_exchange", _logged)),
    Mutant("credentials follow a link to another host", "secrets.elsewhere", around(OpenshelfClient, "books", _at_next_host)),
    Mutant("a field of the config is not described", "capabilities.described", _field_untold),
    Mutant("a refusal leaves the connector", "errors.refused", put(paged.PagedSource, "_verify_login", lambda self: self.account())),
    Mutant("a mode is declared and refused", "capabilities.modes", around(paged, "make_plan", _no_increments)),
    Mutant("a connection belongs to nobody", "capabilities.connection", around(OpenshelfClient, "me", lambda original, self: Account("", original(self).version))),
    Mutant("an unknown unit is the first one", "catalog.unknown", put(paged, "resolve_unit", _first_unit)),
    Mutant("other columns are the connector's own", "catalog.other-columns", put(paged, "resolve_unit", _first_unit)),
    Mutant("a plan that is refused is empty", "errors.planning", around(paged, "make_plan", _planned_anyway)),
    Mutant("a pause of a day is the end of the list", "errors.retry-after-long", _undisturbed),
    Mutant("what is slow has failed", "errors.passing-slow", around(HttpClient, "__init__", _impatient)),
    Mutant("the server's clock says what is old", "clock.ahead", _since_server_clock),
    *(
        Mutant(f"what fails once has failed ({name})", f"errors.passing-{name}", around(HttpClient, "__init__", _once))
        for name in ("429", "500", "502", "504", "dropped", "corrupt", "html")
    ),
    *(
        Mutant(f"what fails is the end of the list ({name})", f"errors.staying-{name}", swallowing(error))
        for name, error in (
            ("400", Refusal), ("410", Refusal), ("429", SourcePageFailedError), ("500", SourcePageFailedError),
            ("503", SourcePageFailedError), ("dropped", SourceUnreachableError), ("html", SourcePageFailedError),
        )
    ),
)  # fmt: skip
