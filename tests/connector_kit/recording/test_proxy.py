from __future__ import annotations

import base64
import http.client
import json
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest

from connector_kit.recording.cassette import Cassette
from connector_kit.recording.faults import DelayResponse, NeverRespond
from connector_kit.recording.origin import Origin
from connector_kit.recording.proxy import TOO_MANY, RecordingProxy
from connector_kit.recording.scrubbing import Scrubber
from connectors.http.client import Refusal
from connectors.http.settings import HttpSettings
from contracts.errors import SourceUnreachableError
from tests.connector_kit.recording.paged_site import BINARY, ROWS, SECRET, System, client, read_all


@pytest.fixture
def system():
    with System() as system:
        yield system


def linked(http, start="/linked"):
    """All rows by absolute link, and the links."""
    rows, links, path = [], [], start
    while path:
        page = http.get(path, json.loads)
        rows += page["items"]
        links += [page["next"]] if page["next"] else []
        path = page["next"] and page["next"].removeprefix(f"http://{urlsplit(page['next']).netloc}")
    return rows, links


def test_what_was_recorded_is_replayed_without_the_system(system, tmp_path):
    with RecordingProxy(system.url, record := Cassette()) as proxy:
        http = client(proxy.url)
        live = read_all(http), http.get("/binary", bytes), http.post("/echo", bytes, {"a": 1})
        http.close()
    record.save(tmp_path / "deep" / "file.jsonl")
    calls = len(system.calls)
    with RecordingProxy(Cassette.load(tmp_path / "deep" / "file.jsonl")) as proxy:
        http = client(proxy.url)
        replayed = read_all(http), http.get("/binary", bytes), http.post("/echo", bytes, {"a": 1})
        http.close()
        assert proxy.unmatched == []
    assert replayed == live
    assert [row["price"] for row in live[0]] == [row["price"] for row in ROWS]
    assert live[1:] == (BINARY, b'{"a":1}')
    assert len(system.calls) == calls


def test_what_goes_through_is_what_the_system_says(system):
    with RecordingProxy(system.url) as proxy, httpx.Client(trust_env=False) as http:
        for method, path in (("GET", "/rows?cursor=t3"), ("GET", "/binary"), ("GET", "/nothing"), ("POST", "/echo")):
            through = http.request(method, f"{proxy.url}{path}", content=SECRET.encode() if method == "POST" else None)
            direct = http.request(method, f"{system.url}{path}", content=SECRET.encode() if method == "POST" else None)
            assert (through.status_code, through.content) == (direct.status_code, direct.content)
            assert through.headers["Content-Type"] == direct.headers["Content-Type"]
        assert proxy.trouble == []


def test_answers_are_asked_for_compressed_and_recorded_as_text(system):
    with RecordingProxy(system.url, record := Cassette()) as proxy, httpx.Client(trust_env=False) as http:
        answer = http.get(f"{proxy.url}/rows", headers={"Accept-Encoding": "identity"})
        assert "Content-Encoding" not in answer.headers
    assert "gzip" in system.headers[0]["Accept-Encoding"]
    assert record.exchanges()[0].body == answer.text


def test_links_stay_on_the_proxy(system, tmp_path):
    with RecordingProxy(system.url, record := Cassette()) as proxy, httpx.Client(trust_env=False) as http:
        direct = client(system.url)
        rows, _ = linked(direct)
        direct.close()
        through = client(proxy.url)
        calls = len(system.calls)
        assert (found := linked(through))[0] == rows
        assert len(system.calls) - calls == len(found[1]) + 1 == 4
        assert all(link.startswith(f"{proxy.url}/linked?") for link in found[1])
        assert http.get(f"{proxy.url}/linked").headers["Link"] == f'<{proxy.url}/linked?from=3>; rel="next"'
        assert http.get(f"{proxy.url}/moved").headers["Location"] == f"{proxy.url}/rows"
        # An address that the client sends back is the system's own again.
        assert http.post(f"{proxy.url}/echo", content=f"{proxy.url}/x").text == f"{proxy.url}/x"
        assert http.get(f"{proxy.url}/rows", params={"at": f"{proxy.url}/x"}).status_code == 200
        through.close()
        proxy_url = proxy.url
    assert system.calls[-1] == f"GET /rows?at={system.url.replace(':', '%3A').replace('/', '%2F')}%2Fx"
    record.save(tmp_path / "file")
    text = (tmp_path / "file").read_text()
    assert system.url not in text
    assert proxy_url not in text
    with RecordingProxy(Cassette.load(tmp_path / "file")) as proxy:
        through = client(proxy.url)
        replayed, links = linked(through)
        through.close()
        assert replayed == rows
        assert all(link.startswith(proxy.url) for link in links)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("https://api.example/x", "http://t:1/x"),
        ("http://API.example:443/x", "http://t:1/x"),
        (r"https:\/\/api.example\/x", r"http:\/\/t:1\/x"),
        ("?u=https%3A%2F%2Fapi.example%2Fx", "?u=http%3A%2F%2Ft%3A1%2Fx"),
        ("see https://api.example.", "see http://t:1."),
        ("https://api.example.org/x https://my-api.example https://api.example:8443/", None),
        ("api.example/x", None),
    ],
)
def test_addresses_are_found_in_every_spelling_and_no_others(text, made):
    assert Origin("https://api.example").replaced(text, "http://t:1") == (text if made is None else made)


def test_an_unrecorded_request_is_answered_599_and_named(system):
    with RecordingProxy(system.url, record := Cassette()) as proxy:
        http = client(proxy.url)
        http.get("/rows", bytes)
        http.close()
    with RecordingProxy(record) as proxy:
        http = client(proxy.url)
        with pytest.raises(Refusal) as caught:
            http.get("/rows", bytes, {"cursor": "t9", "api_key": "abc"})
        http.close()
        assert proxy.unmatched == ["GET /rows?cursor=t9&api_key=SCRUBBED"]
        assert caught.value.status == 599
        assert "not recorded: GET /rows?cursor=t9" in caught.value.message
        assert [one.status for one in proxy.requests] == [599]


def test_no_credential_of_a_real_exchange_is_in_the_file(system, tmp_path):
    record = Cassette(scrub=Scrubber([SECRET]))
    basic = base64.b64encode(f"anna:{SECRET}".encode()).decode()
    with RecordingProxy(system.url, record) as proxy, httpx.Client(trust_env=False, base_url=proxy.url) as http:
        http.get("/rows", headers={"Authorization": f"Basic {basic}"}, params={"cursor": "t0", "access_token": SECRET})
        http.post("/token", data={"client_secret": SECRET, "user": "anna"})
        http.post("/echo", json={"password": "unknown to the scrubber", "note": f"<{SECRET}>", "at": f"Basic {basic}"})
        http.get(f"/echo/{SECRET}", headers={"Cookie": "session=cookie-secret", "X-Api-Key": "header-secret"})
        seen = repr((proxy.requests, proxy.trouble, proxy.unmatched))
    record.save(tmp_path / "file")
    text = (tmp_path / "file").read_text()
    for secret in (
        SECRET,
        basic,
        "granted-by-server",
        "verysecretcookie",
        "unknown to",
        "cookie-secret",
        "header-secret",
    ):
        assert secret not in text, secret
        assert secret not in seen, secret
    assert "anna" in text
    sent = {"password": "made up", "note": "<SCRUBBED>", "at": "Basic c29tZXRoaW5nIGVsc2U="}
    with (
        RecordingProxy(Cassette.load(tmp_path / "file")) as proxy,
        httpx.Client(trust_env=False, base_url=proxy.url) as http,
    ):
        assert (
            http.post("/token", data={"client_secret": "made up", "user": "anna"}).json()["access_token"] == "SCRUBBED"
        )
        assert http.post("/echo", json=sent).status_code == 599


def test_the_same_traffic_gives_the_same_file(system, tmp_path):
    texts = []
    for index in range(2):
        with RecordingProxy(system.url, record := Cassette()) as proxy:
            http = client(proxy.url)
            paths = [f"/rows?cursor=t{start}" for start in range(9)]
            threads = [threading.Thread(target=http.get, args=(path, bytes)) for path in paths[:: 1 - 2 * index]]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            http.close()
        record.save(tmp_path / str(index))
        lines = [json.loads(line) for line in (tmp_path / str(index)).read_text().splitlines()]
        assert all(line["headers"].pop("date") for line in lines)
        texts.append(json.dumps(lines))
    assert texts[0] == texts[1]


def test_answers_that_differ_are_replayed_in_their_order(system):
    with RecordingProxy(system.url, record := Cassette()) as proxy:
        http = client(proxy.url)
        live = [http.get("/count", json.loads) for _ in range(3)]
        http.close()
    with RecordingProxy(record) as proxy:
        http = client(proxy.url)
        assert [http.get("/count", json.loads) for _ in range(5)] == [*live, live[-1], live[-1]]
        http.close()


def test_a_connection_is_kept(system):
    with RecordingProxy(system.url) as proxy:
        connection = http.client.HTTPConnection(*urlsplit(proxy.url).netloc.split(":"))
        sockets = set()
        for _ in range(3):
            connection.request("GET", "/rows")
            connection.getresponse().read()
            sockets.add(connection.sock)
        assert len(sockets) == 1
        assert None not in sockets
        connection.close()


def test_a_system_that_does_not_answer_is_unreachable_here_too():
    with System() as gone:
        url = gone.url
    with RecordingProxy(url, record := Cassette()) as proxy:
        http = client(proxy.url, max_tries=2)
        with pytest.raises(SourceUnreachableError):
            http.get("/rows", bytes)
        http.close()
        assert len(proxy.trouble) == 2
        assert "GET /rows: ConnectError" in proxy.trouble[0]
        assert [one.status for one in proxy.requests] == [0, 0]
    assert len(record) == 0


def test_a_client_in_circles_comes_to_an_end(system):
    with RecordingProxy(system.url, most_requests=2) as proxy:
        http = client(proxy.url)
        http.get("/rows", bytes)
        http.get("/rows", bytes)
        with pytest.raises(Refusal) as caught:
            http.get("/rows", bytes)
        http.close()
        assert caught.value.status == TOO_MANY
        assert len(system.calls) == 2


def test_the_timeline_says_when_how_long_and_how_much(system):
    with RecordingProxy(system.url) as proxy:
        http = client(proxy.url)
        first = http.get("/rows", bytes, {"cursor": "t0"})
        http.get("/binary", bytes)
        http.close()
        one, two = proxy.requests
        assert (one.method, one.path, one.query, one.status) == ("GET", "/rows", (("cursor", "t0"),), 200)
        assert (one.size_bytes, two.size_bytes) == (len(first), len(BINARY))
        assert 0 <= one.began_s <= one.began_s + one.seconds <= two.began_s


def test_the_end_of_the_proxy_wakes_what_hangs(system):
    failed = []

    def request(url):
        try:
            httpx.get(f"{url}/rows", timeout=60, trust_env=False)
        except httpx.TransportError as error:
            failed.append(error)

    arrived = threading.Event()

    class Noticed(NeverRespond):
        def pause_s(self, request):
            arrived.set()
            return super().pause_s(request)

    with RecordingProxy(system.url, fault=Noticed()) as proxy:
        thread = threading.Thread(target=request, args=(proxy.url,))
        thread.start()
        assert arrived.wait(10)
    thread.join(10)
    assert not thread.is_alive()
    assert len(failed) == 1
    assert system.calls == []
    deadline = time.monotonic() + 10
    while not proxy.requests and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [one.status for one in proxy.requests] == [0], "the thread that waited is still there"


def test_credentials_are_no_part_of_the_timeline_though_nothing_is_recorded(system):
    with (
        RecordingProxy(system.url, fault=DelayResponse(0)) as proxy,
        httpx.Client(trust_env=False, base_url=proxy.url) as http,
    ):
        assert http.get("/bot-key-1234/rows", headers={"X-Api-Key": "bot-key-1234"}).status_code == 404
        assert [one.path for one in proxy.requests] == ["/SCRUBBED/rows"]
        assert proxy.fault.done == ["GET /SCRUBBED/rows: waited 0 s"]


def test_what_fails_in_the_proxy_is_no_secret(system):
    class FailingFault(NeverRespond):
        def pause_s(self, request):
            raise ZeroDivisionError("an author's mistake")

    with RecordingProxy(system.url, fault=FailingFault()) as proxy:
        http = client(proxy.url, max_tries=1)
        with pytest.raises(SourceUnreachableError):
            http.get("/rows", bytes)
        http.close()
        assert proxy.trouble == ['in the proxy: ZeroDivisionError("an author\'s mistake")']


def test_a_body_in_chunks_is_refused_rather_than_lost(system):
    with RecordingProxy(system.url) as proxy, httpx.Client(trust_env=False) as http:
        assert http.post(f"{proxy.url}/echo", content=iter([b"a", b"b"])).status_code == 411


def test_what_an_upstream_may_be():
    for url in ("https://api.example/v1", "api.example", "ftp://api.example", "https://"):
        with pytest.raises(ValueError, match="upstream"):
            RecordingProxy(url)
    with pytest.raises(ValueError, match="nothing new"):
        RecordingProxy(Cassette(), Cassette())


def test_a_base_url_on_the_proxy(system):
    with RecordingProxy(system.url) as proxy:
        assert proxy.through("https://api.example/v1?x=1") == f"{proxy.url}/v1?x=1"


def test_the_system_is_reached_as_the_config_says(system):
    # The system plays the proxy: it gets the whole address of a host that does not exist.
    settings = HttpSettings.model_validate({"proxy": system.url})
    with RecordingProxy("http://nowhere.invalid", settings=settings) as proxy, httpx.Client(trust_env=False) as http:
        assert http.get(f"{proxy.url}/binary").content == BINARY
    assert system.calls == ["GET http://nowhere.invalid/binary"]


def test_recorded_files_are_small_and_whole(system, tmp_path):
    with RecordingProxy(system.url, record := Cassette()) as proxy:
        http = client(proxy.url)
        read_all(http)
        read_all(http)
        http.close()
    record.save(tmp_path / "file")
    assert len((tmp_path / "file").read_text().splitlines()) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
