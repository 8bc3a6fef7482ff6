from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector_kit.recording.cassette import Cassette, Replay, key_of
from connector_kit.recording.cassette_lines import Bytes, Exchange, read, written
from connector_kit.recording.dead_ends import one_answer_each
from connector_kit.recording.messages import RecordedRequest, RecordedResponse
from connector_kit.recording.scrubbing import Scrubber
from contracts.errors import ConfigInvalidError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
bodies = st.one_of(
    st.text(st.characters(codec="utf-8")),
    json_values.map(json.dumps),
    json_values.map(lambda value: json.dumps(value, ensure_ascii=True, indent=1)),
    st.sampled_from(
        ['{"a": 1.50, "a": 1e400}', "[1.0, 12345678901234567890123]", ' {"a":1}', '{"json":{}}', "{", '"x"']
    ),
    st.binary().map(lambda data: Bytes(data.hex())),
)


@settings(max_examples=200, deadline=None)
@given(sent=bodies, body=bodies)
def test_a_line_gives_back_what_was_written(sent, body):
    one = Exchange("POST", "/ü", (("a", "b\u2028c"),), sent, 200, {"x": "y"}, body)
    line = written(one)
    assert b"\n" not in line
    assert read(line) == one
    json.loads(line)


@pytest.mark.parametrize("body", ['{"a":1} ', ' {"a":1}', '{"a":1}\n', "[NaN]", '["\\ud800"]', '{"a":1}{"b":2}'])
def test_a_body_that_would_not_come_back_stands_as_text(body):
    line = written(Exchange("GET", "/", (), "", 200, {}, body))
    assert read(line).body == body
    assert len(line.splitlines()) == 1


def test_a_body_of_json_can_be_read_in_the_line():
    line = written(Exchange("GET", "/", (), "", 200, {}, '{"price": 12.30}'))
    assert line.endswith(b'"body":{"json":{"price": 12.30}}}')


def recorded(*pairs: tuple[RecordedRequest, RecordedResponse], **how) -> Cassette:
    cassette = Cassette(**how)
    for request, answer in pairs:
        cassette.add(request, answer)
    return cassette


def said(number: int, date: str = "Mon, 01 Jan 2024 00:00:00 GMT") -> RecordedResponse:
    return RecordedResponse(200, (("Date", date), ("Server", "nginx"), ("X-Request-Id", date)), str(number).encode())


def test_the_file_does_not_depend_on_who_came_first(tmp_path):
    pairs = [
        (RecordedRequest(method, f"/{path}?b=2&a={n}"), said(n))
        for method in ("GET", "POST")
        for path in "ab"
        for n in (1, 2)
    ]
    recorded(*pairs).save(tmp_path / "one")
    random.Random(4).shuffle(pairs)
    recorded(*pairs).save(tmp_path / "two")
    text = (tmp_path / "one").read_text()
    assert text == (tmp_path / "two").read_text()
    assert len(text.splitlines()) == 8
    Cassette.load(tmp_path / "one").save(tmp_path / "three")
    assert text == (tmp_path / "three").read_text()


def test_answers_to_one_request_stay_in_order_and_the_last_is_written_once(tmp_path):
    request = RecordedRequest("GET", "/a")
    busy = RecordedResponse(429, (("Retry-After", "1"),))
    cassette = recorded(
        (request, busy),
        (request, busy),
        (request, said(1, "then")),
        (request, said(1, "later")),
        (request, said(1, "now")),
    )
    cassette.save(tmp_path / "file")
    assert [one.status for one in Cassette.load(tmp_path / "file").exchanges()] == [429, 429, 200]


def test_headers_that_say_nothing_about_the_answer_are_left_out():
    answer = RecordedResponse(
        200,
        (
            *(
                ("Content-Type", "text/csv"),
                ("Date", "now"),
                ("ETag", "x"),
                ("X-Total-Count", "5"),
                ("Retry-After", "1"),
            ),
            *(
                ("Server", "nginx"),
                ("Set-Cookie", "a=b"),
                ("CF-Ray", "1"),
                ("X-Amzn-Trace-Id", "2"),
                ("Connection", "close"),
            ),
            *(("Link", "<a>"), ("Link", "<b>")),
        ),
    )
    (kept,) = recorded((RecordedRequest("GET", "/"), answer)).exchanges()
    assert kept.headers == {
        "content-type": "text/csv",
        "date": "now",
        "etag": "x",
        "link": "<a>, <b>",
        "retry-after": "1",
        "x-total-count": "5",
    }


def test_a_replay_gives_answers_in_order_and_repeats_the_last():
    cassette = recorded(
        (RecordedRequest("GET", "/a"), said(1)),
        (RecordedRequest("GET", "/b"), said(5)),
        (RecordedRequest("GET", "/a"), said(2)),
    )
    for replay in (Replay(cassette), Replay(cassette)):
        taken = [replay.take(RecordedRequest("GET", "/a")) for _ in range(4)]
        assert [one.body for one in taken if one] == ["1", "2", "2", "2"]
        assert replay.take(RecordedRequest("GET", "/b?x=1")) is None
        assert replay.take(RecordedRequest("POST", "/b")) is None


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (RecordedRequest("POST", "/q?b=2&a=1&a=0", body=b'{"x":1,"y":[1,2]}'), True),
        (RecordedRequest("POST", "/q?a=0&a=1&b=2", body=b'{"y": [1, 2],  "x": 1}'), True),
        (RecordedRequest("POST", "/q?a=0&a=1&b=2", body=b'{"y": [2, 1], "x": 1}'), False),
        (RecordedRequest("POST", "/q?a=0&a=1&b=2", body=b'{"y": [1, 2], "x": 1.0}'), False),
        (RecordedRequest("POST", "/q?a=0&b=2", body=b'{"x":1,"y":[1,2]}'), False),
        (RecordedRequest("POST", "/q?b=2&a=1&a=0"), False),
    ],
)
def test_a_request_is_known_by_method_path_query_and_body(asked, found):
    cassette = recorded((RecordedRequest("POST", "/q?a=1&b=2&a=0", body=b'{"x":1,"y":[1,2]}'), said(1)))
    assert (Replay(cassette).take(asked) is not None) == found


def test_numbers_that_a_float_does_not_tell_apart_are_two_requests():
    replay = Replay(recorded((RecordedRequest("POST", "/q", body=b'{"x":0.12345678901234567891}'), said(1))))
    assert replay.take(RecordedRequest("POST", "/q", body=b'{"x":0.12345678901234567892}')) is None


def test_what_changes_from_run_to_run_can_be_left_out_of_the_comparison(tmp_path):
    recorded((RecordedRequest("POST", "/q?until=1&page=2", body=b'{"now":1,"x":2}'), said(1))).save(tmp_path / "file")
    replay = Replay(Cassette.load(tmp_path / "file", loose=["until", "now"]))
    assert replay.take(RecordedRequest("POST", "/q?page=2&until=9", body=b'{"now":9,"x":2}')) is not None
    assert replay.take(RecordedRequest("POST", "/q?page=3&until=9", body=b'{"now":9,"x":2}')) is None


def test_what_fits_exactly_comes_before_what_fits_loosely():
    replay = Replay(
        recorded(
            (RecordedRequest("GET", "/q?until=1"), said(1)),
            (RecordedRequest("GET", "/q?until=2"), said(2)),
            loose=["until"],
        )
    )
    taken = [replay.take(RecordedRequest("GET", f"/q?until={until}")) for until in (2, 1, 2, 9, 9, 9)]
    assert [one.body for one in taken if one] == ["2", "1", "2", "1", "2", "2"]


def test_a_request_is_found_with_other_credentials_than_it_was_recorded_with(tmp_path):
    real = Scrubber(["real-secret-1"])
    asked = RecordedRequest("POST", "/latest?api_key=abc&x=real-secret-1", body=b"client_secret=real-secret-1")
    recorded((asked, said(1)), scrub=real).save(tmp_path / "file")
    # A made-up secret that is part of the path, and one that stands where the real one stood.
    replay = Replay(Cassette.load(tmp_path / "file", scrub=Scrubber(["test"])))
    assert (
        replay.take(RecordedRequest("POST", "/latest?api_key=other&x=SCRUBBED", body=b"client_secret=other"))
        is not None
    )
    replay = Replay(Cassette.load(tmp_path / "file", scrub=Scrubber(["made-up-secret"])))
    assert (
        replay.take(RecordedRequest("POST", "/latest?api_key=other&x=made-up-secret", body=b"client_secret=other"))
        is not None
    )


def test_a_secret_that_is_left_keeps_the_file_from_being_written(tmp_path):
    class Blind(Scrubber):
        def text(self, text):
            return text

    cassette = recorded(
        (RecordedRequest("GET", "/"), RecordedResponse(200, (), b'{"x": "the-secret"}')), scrub=Blind(["the-secret"])
    )
    with pytest.raises(ConfigInvalidError, match="secret is left in line 1") as caught:
        cassette.save(tmp_path / "file")
    assert "the-secret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", ["{", "[]", '{"method": "GET"}', '{"extra": 1}', "not JSON"])
def test_a_line_that_is_no_exchange_is_named(tmp_path, line):
    good = written(Exchange("GET", "/", (), "", 200, {}, "")).decode()
    (tmp_path / "file").write_text(f"{good}\n{line}\n")
    with pytest.raises(ConfigInvalidError, match="line 2"):
        Cassette.load(tmp_path / "file")


@pytest.mark.parametrize("word", ["body", "status", "json", "POST", "base64", "method"])
def test_a_secret_that_is_a_word_of_the_format_does_no_harm(tmp_path, word):
    cassette = recorded(
        (RecordedRequest("POST", f"/{word}", body=b"{}"), RecordedResponse(200, (), word.encode())),
        scrub=Scrubber([word]),
    )
    cassette.save(tmp_path / "file")
    (one,) = Cassette.load(tmp_path / "file").exchanges()
    assert (one.method, one.path, one.body) == ("POST", "/SCRUBBED", "SCRUBBED")


def test_a_cassette_is_found_by_name_from_any_folder_of_the_project(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "src" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "src" / "deep")
    with pytest.raises(ConfigInvalidError, match="Nothing is recorded of acme"):
        Cassette.of("acme")
    made = Cassette.of("acme", record=True)
    made.add(RecordedRequest("GET", "/a"), said(1))
    made.save()
    beside = tmp_path / "notebooks" / "prototypes" / "acme" / "tour.jsonl"
    assert len(Cassette.of("acme")) == len(Cassette.load(beside)) == 1
    copy = tmp_path / "tests" / "acme" / "cassettes" / "tour.jsonl"
    copy.parent.mkdir(parents=True)
    beside.rename(copy)
    assert Cassette.of("acme").path == copy
    with pytest.raises(ConfigInvalidError, match="belongs to no file"):
        Cassette().save()


def page(cursor, number, header=False):
    body = {"rows": [{"id": "c9"}], "number": number}
    if header:
        links = (("Link", f'<{cursor}>; rel="next"'),) if cursor else ()
        return RecordedResponse(200, links, json.dumps(body).encode())
    return RecordedResponse(200, (), json.dumps({**body, "next": cursor}).encode())


def numbers(cassette, *targets):
    replay = Replay(cassette)
    return [json.loads(replay.take(RecordedRequest("GET", target)).body)["number"] for target in targets]


@pytest.mark.parametrize("form", ["token", "link", "header"])
def test_an_answer_whose_next_page_was_recorded_is_preferred(form):
    def to(cursor):
        return cursor if form == "token" else f"http://upstream.invalid/list?size=2&cursor={cursor}"

    def said(cursor, number):
        return page(cursor and to(cursor), number, form == "header")

    def asked(cursor=""):
        return RecordedRequest("GET", f"/list?size=2{cursor and '&cursor='}{cursor}")

    looked_at = (asked(), said("a1", 1))  # and never followed
    stopped = [(asked(), said("b1", 2)), (asked("b1"), said("b2", 3))]
    whole = [(asked(), said("c1", 4)), (asked("c1"), said("c2", 5)), (asked("c2"), said(None, 6))]
    tape = recorded(looked_at, *stopped, *whole)
    first = "/list?size=2"
    assert numbers(tape, first, first, f"{first}&cursor=c1", f"{first}&cursor=c2") == [4, 4, 5, 6]
    shrunk = recorded(*whole, (asked(), said(None, 7)))
    assert numbers(shrunk, first, first) == [4, 7]
    assert numbers(recorded(looked_at, *stopped), first, first) == [1, 2]  # nothing better is there


def test_one_chain_of_pages_is_enough():
    def chain(name):
        first = (RecordedRequest("GET", "/list?size=2"), page(f"{name}1", 1))
        return [first, (RecordedRequest("GET", f"/list?size=2&cursor={name}1"), page(None, 2))]

    dead, others = (RecordedRequest("GET", "/list?size=2"), page("z1", 1)), (RecordedRequest("GET", "/me"), said(1))
    tape = recorded(dead, *chain("a"), *chain("b"), others)
    kept = one_answer_each(tape.as_added(), key_of)
    assert [(one.path, dict(one.query).get("cursor")) for one in kept] == [
        ("/list", None),
        ("/list", "a1"),
        ("/me", None),
    ]
