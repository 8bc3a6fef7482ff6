"""The sandbox's drives against the documentation, point by point. Each test names the statement it stands for."""

from __future__ import annotations

import random
from urllib.parse import quote

import httpx
import pytest

from sandbox.onedrive import DriveSite, OneDriveFaults, SandboxOneDrive
from sandbox.onedrive.samples import read


@pytest.fixture
def server():
    with SandboxOneDrive(DriveSite(drives=3, items=240)) as running:
        yield running


def token(server, status=200, **changed):
    form = {
        "client_id": server.client_id,
        "client_secret": server.client_secret,
        "scope": "https://graph.microsoft.com/.default",
        "grant_type": "client_credentials",
    }
    url = f"{server.login_url}/{server.tenant}/oauth2/v2.0/token"
    answer = httpx.post(url, data=form | changed, trust_env=False)
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.fixture
def http(server):
    headers = {"Authorization": f"Bearer {token(server)['access_token']}"}
    with httpx.Client(base_url=f"{server.url}/v1.0", headers=headers, trust_env=False) as client:
        yield client


def get(http, url, status=200, **more):
    answer = http.get(url, **more)
    assert answer.status_code == status, answer.text
    return answer.json()


def changes(http, link, **more):
    """Ids told from a link to its end, in order."""
    names = []
    while link:
        page = get(http, link, **more)
        names += [row["id"] for row in page["value"]]
        link = page.get("@odata.nextLink")
    return names


class Mirror:
    """A client that follows the documented rules and no more."""

    def __init__(self, http, drive, **params):
        self.http, self.drive, self.rows, self.pages = http, drive, {}, []
        self.seen, self.link = None, httpx.URL(f"/drives/{drive.drive_id}/root/delta", params=params)

    def sync(self, between=lambda: None, **more):
        while True:
            answer = self.http.get(self.link, **more)
            if answer.status_code == 410:
                self.link, self.seen = answer.headers["Location"], set()
                continue
            page = answer.raise_for_status().json()
            self.pages.append(page)
            assert ("@odata.nextLink" in page) != ("@odata.deltaLink" in page)
            for row in page["value"]:
                if self.seen is not None:
                    self.seen.add(row["id"])
                self.rows.pop(row["id"], None) if "deleted" in row else self.rows.update({row["id"]: row})
            self.link = page.get("@odata.nextLink") or page["@odata.deltaLink"]
            if "@odata.deltaLink" in page:
                break
            between()
        if self.seen is not None:
            self.rows = {name: row for name, row in self.rows.items() if name in self.seen}
            self.seen = None
        self.rows = {name: row for name, row in self.rows.items() if self.path(row) is not None}

    def path(self, row):
        """From the root; None when a folder above is gone."""
        if "root" in row:
            return "/"
        above = self.rows.get(row["parentReference"]["id"])
        base = above and self.path(above)
        return None if base is None else f"{base.rstrip('/')}/{row['name']}"

    def wrong(self, site):
        def known(row):
            folder = row.get("folder", {}).get("childCount")
            shared, size = "shared" in row, row["size"]
            return (self.path(row), row["eTag"], folder, shared, size, read(row["lastModifiedDateTime"]))

        names = ("path", "etag", "child_count", "shared", "size", "last_modified")
        truth = site.truth("item", [self.drive.drive_id]).values()
        theirs = {row["item_id"]: tuple(row[name] for name in names) for row in truth}
        ours = {name: known(row) for name, row in self.rows.items()}
        return {n: (ours.get(n), theirs.get(n)) for n in ours.keys() | theirs.keys() if ours.get(n) != theirs.get(n)}


@pytest.mark.parametrize("seed", range(4))
def test_a_client_that_follows_the_rules_ends_with_the_truth(seed):
    rng, faults = random.Random(seed), OneDriveFaults(exclude_parents=seed == 3)
    with SandboxOneDrive(DriveSite(drives=3, items=240, seed=seed), faults=faults) as server:
        headers = {"Authorization": f"Bearer {server.delegated_token}"}
        with httpx.Client(base_url=f"{server.url}/v1.0", headers=headers, trust_env=False) as http:
            for drive in server.site.drives():
                mirror = Mirror(http, drive, **{"$top": 13})
                for round_ in range(4):
                    if round_ == seed % 2:
                        faults.gone_after = 2
                    mirror.sync(between=lambda: server.site.churn(2, rng))
                    server.site.churn(8, rng)
                    mirror.sync()
                    assert mirror.wrong(server.site) == {}
                if seed == 2:
                    server.site.churn(5, rng)
                    faults.forget_tokens()
                    mirror.sync()
                    assert mirror.wrong(server.site) == {}


def test_delta_pages_may_be_empty_repeat_items_and_come_in_any_order(server, http):
    mirror = Mirror(http, server.site.drives()[0], **{"$top": 10})
    mirror.sync()
    assert [] in [page["value"] for page in mirror.pages[:-1]]
    rows = [row for page in mirror.pages for row in page["value"]]
    names = [row["id"] for row in rows]
    assert len(names) > len(set(names))
    first = {name: names.index(name) for name in names}
    assert any(first[row["parentReference"].get("id", names[0])] > first[row["id"]] for row in mirror.rows.values())
    assert not any("path" in row["parentReference"] or "cTag" in row for row in rows)
    assert any("deleted" in row and "name" not in row for row in rows)
    forms = {"(token=" in page.get("@odata.nextLink", "") for page in mirror.pages[:-1]}
    assert forms == {True, False}


def test_a_moved_folder_is_in_the_feed_and_what_is_in_it_is_not(server, http):
    site, drive = server.site, server.site.drives()[0]
    top = site.create_folder(drive, None, "top")
    inner = site.create_file(drive, top, "in.txt")
    there = site.create_folder(drive, None, "there")
    mirror = Mirror(http, drive, token="latest")
    mirror.sync()
    assert mirror.rows == {}
    modified = top.modified
    site.move(top, there)
    told = set(changes(http, mirror.link))
    assert told == {top.item_id, there.item_id, drive.root_id}
    assert inner.item_id not in told
    assert top.modified == modified


def test_without_parents_only_what_changed_is_told(server, http):
    site, drive = server.site, server.site.drives()[0]
    file = site.create_file(drive, site.create_folder(drive, None, "above"), "in.txt")
    link = get(http, f"/drives/{drive.drive_id}/root/delta?token=latest")["@odata.deltaLink"]
    moment = site.now.isoformat().replace("+", "%2B")
    site.edit_file(file)
    assert len(set(changes(http, link))) == 3
    for headers in ({"Prefer": "deltaExcludeParent"}, {"deltaExcludeParent": "true"}):
        assert changes(http, link, headers=headers) == [file.item_id]
    assert file.item_id in changes(http, f"/drives/{drive.drive_id}/root/delta?token={moment}")


def test_a_malformed_token_is_refused_and_an_old_one_is_gone(server, http):
    drive = server.site.drives()[2]
    bad = get(http, f"/drives/{drive.drive_id}/root/delta?token=nonsense", 400)
    assert "malformed" in bad["error"]["message"]
    link = get(http, f"/drives/{drive.drive_id}/root/delta", params={"$top": 5})["@odata.nextLink"]
    server.site.advance(4000)
    answer = http.get(link)
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "resyncRequired")
    assert "@odata.nextLink" in get(http, answer.headers["Location"])


def test_client_credentials(server, http):
    assert token(server, 401, client_secret="x")["error"] == "invalid_client"
    assert token(server, 401, client_secret="x")["error_codes"] == [7000215]
    assert get(http, "/me/drive", 400)["error"]["message"].startswith("/me request is only valid")
    assert httpx.get(f"{server.url}/v1.0/organization", trust_env=False).status_code == 401
    get(http, "/organization")
    later = server.monotonic() + server.faults.expires_in
    server.monotonic = lambda: later + 1
    assert get(http, "/organization", 401)["error"]["code"] == "InvalidAuthenticationToken"
    http.headers["Authorization"] = f"Bearer {token(server)['access_token']}"
    get(http, "/organization")
    server.expire_tokens()
    assert get(http, "/organization", 401)["error"]["code"] == "InvalidAuthenticationToken"


def test_while_throttled_each_request_lengthens_the_pause(server, http):
    clock = [0.0]
    server.faults.expires_in = 1e9
    server.monotonic = lambda: clock[0]
    server.faults.retry_after_s = 10
    server.faults.fail_next.append((429, "/organization"))
    first = http.get("/organization")
    assert (first.status_code, first.headers["Retry-After"]) == (429, "10")
    clock[0] = 9
    assert http.get("/organization").status_code == 429
    clock[0] = 10.5
    assert http.get("/organization").status_code == 429
    assert server.ignored_throttles == 2
    clock[0] = 12.5
    get(http, "/organization")


def test_items_versions_and_permissions(server, http):
    site, drive = server.site, server.site.drives()[1]
    folder = site.create_folder(drive, None, "100% #1 + 'x'")
    file = site.create_file(drive, folder, "e 😀.txt")
    site.edit_file(file)
    site.share(folder)
    base = f"/drives/{drive.drive_id}"
    found = get(http, f"{base}/root:/100%25%20%231%20%2B%20%27x%27/e%20%F0%9F%98%80.txt")
    assert found["id"] == file.item_id
    assert [one["id"] for one in get(http, f"{base}/root:/{quote(folder.name)}:/children")["value"]] == [file.item_id]
    versions = get(http, f"{base}/items/{file.item_id}/versions")["value"]
    assert [one["id"] for one in versions] == ["2.0", "1.0"]
    page = get(http, f"{base}/items/{file.item_id}/permissions?$top=1")
    assert "%24skiptoken" in page["@odata.nextLink"] or "$skiptoken" in page["@odata.nextLink"]
    rows = page["value"] + get(http, page["@odata.nextLink"])["value"]
    assert {one["inheritedFrom"]["id"] for one in rows} == {folder.item_id, drive.root_id}
    site.hide_permissions(file)
    assert get(http, f"{base}/items/{file.item_id}/permissions", 403)["error"]["code"] == "accessDenied"
    site.delete(folder)
    assert get(http, f"{base}/items/{file.item_id}/versions", 404)["error"]["code"] == "itemNotFound"
    site.block_drive(drive)
    get(http, f"{base}/root", 403)


def test_what_is_read_without_credentials_must_not_be_given_them(server, http):
    drive = server.site.drives()[0]
    url = get(http, f"/drives/{drive.drive_id}/root/children")["value"]
    url = next(one["@microsoft.graph.downloadUrl"] for one in url if "file" in one)
    assert httpx.get(url, trust_env=False).content == b"content"
    assert server.download_url_leaks == []
    http.get(url)
    assert len(server.download_url_leaks) == 1


def test_a_batch_answers_each_request_by_its_id(server, http):
    drive = server.site.drives()[0]
    asked = [{"id": str(n), "method": "GET", "url": f"/drives/{drive.drive_id}/root"} for n in range(21)]
    answers = http.post("/$batch", json={"requests": [*asked[:2], {"id": "x", "method": "GET", "url": "/me"}]})
    assert {one["id"]: one["status"] for one in answers.json()["responses"]} == {"0": 200, "1": 200, "x": 400}
    assert http.post("/$batch", json={"requests": asked}).status_code == 400


@pytest.mark.parametrize("index", [1, 2])
def test_the_truth_is_what_the_endpoints_answer(server, http, index):
    drive = server.site.drives()[index]
    files = server.site.items(drive)
    asked = [(one, what) for one in files for what in ("permissions", *(["versions"] * (one.kind == "file")))]
    found = {"permissions": {}, "versions": {}}
    for start in range(0, len(asked), 20):
        urls = [f"/drives/{drive.drive_id}/items/{one.item_id}/{what}" for one, what in asked[start : start + 20]]
        batch = [{"id": str(number), "method": "GET", "url": url} for number, url in enumerate(urls)]
        for answer in http.post("/$batch", json={"requests": batch}).json()["responses"]:
            item, what = asked[start + int(answer["id"])]
            for row in answer["body"]["value"]:
                found[what][f"{drive.drive_id}:{item.item_id}:{row['id']}"] = row
    told, row = get(http, f"/drives/{drive.drive_id}"), server.site.truth("drive")[drive.drive_id]
    assert {kind: who["id"] for kind, who in told["owner"].items()} == {row["owner_type"]: row["owner_id"]}
    assert told.get("quota", {}).get("used") == row["quota_used"]
    permissions, versions = (server.site.truth(unit, [drive.drive_id]) for unit in ("permission", "version"))
    above = {name: row.get("inheritedFrom", {}).get("id") for name, row in found["permissions"].items()}
    assert above == {name: row["inherited_from_id"] for name, row in permissions.items()}
    moments = {name: (row["size"], read(row["lastModifiedDateTime"])) for name, row in found["versions"].items()}
    assert moments == {name: (row["size"], row["last_modified"]) for name, row in versions.items()}
