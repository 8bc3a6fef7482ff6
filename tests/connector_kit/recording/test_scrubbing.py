from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretBytes, SecretStr

from connector_kit.recording.cassette import Cassette
from connector_kit.recording.messages import RecordedRequest, RecordedResponse
from connector_kit.recording.scrubbing import SCRUBBED, Scrubber, secrets_of


def forms(secret: str, user: str) -> dict[str, str]:
    """By plain encoders, not by the patterns that find them."""
    data, both = secret.encode(), f"{user}:{secret}".encode()
    return {
        "plain": secret,
        "quoted": quote(secret, safe=""),
        "quoted in lower case": quote(secret, safe="").replace("%2F", "%2f").replace("%3D", "%3d"),
        "quoted path": quote(secret),
        "quoted form": quote_plus(secret),
        "quoted twice": quote(quote(secret, safe=""), safe=""),
        "JSON": json.dumps(secret)[1:-1],
        "JSON with all letters": json.dumps(secret, ensure_ascii=False)[1:-1],
        "JSON in JSON": json.dumps(json.dumps(secret)[1:-1])[1:-1],
        "JSON with escaped slashes": json.dumps(secret)[1:-1].replace("/", r"\/"),
        "base64": base64.b64encode(data).decode(),
        "base64 without padding": base64.b64encode(data).decode().rstrip("="),
        "base64 for URLs": base64.urlsafe_b64encode(data).decode(),
        "quoted base64": quote(base64.b64encode(data).decode(), safe=""),
        "Basic": "Basic " + base64.b64encode(both).decode(),
        "Basic, quoted": quote("Basic " + base64.b64encode(both).decode(), safe=""),
    }


def everywhere(form: str, content_type: str) -> tuple[RecordedRequest, RecordedResponse]:
    """An exchange that holds the text in every place there is."""
    text = quote(form, safe="")
    request = RecordedRequest(
        "POST",
        f"/v1/{text}/x?q={text}&page=1&{text}=1&next=before{text}after",
        (("X-Anything", form.encode("ascii", "replace").decode()),),
        json.dumps({"of": form, "more": [f"before{form}after"]}).encode(),
    )
    headers = (("Content-Type", content_type), ("X-Echo", form), ("Link", f"<https://a.example/?x={text}>"))
    return request, RecordedResponse(200, headers, f"before {form} after".encode())


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=6, max_size=24)
tokens = st.text('abcXYZ0189-_.~+/= %"\\:&é', min_size=6, max_size=40)


@pytest.mark.slow(3)
@settings(max_examples=150, deadline=None)
@given(secret=st.one_of(texts, tokens), other=tokens, user=st.text("abc@.é", max_size=9))
def test_no_given_secret_is_in_a_saved_cassette(tmp_path_factory, secret, other, user):
    path = tmp_path_factory.mktemp("proxy") / "cassette.jsonl"
    cassette, clean = Cassette(scrub=Scrubber([secret, SecretStr(other)])), Cassette()
    looked_for = forms(secret, user)
    for form in looked_for.values():
        cassette.add(*everywhere(form, "text/plain"))
        clean.add(*everywhere("-", "text/plain"))
    clean.save(path)
    skeleton = path.read_text()
    cassette.save(path)
    saved = path.read_text()
    decoded = json.dumps([json.loads(line) for line in saved.splitlines()], ensure_ascii=False)
    for name, form in looked_for.items():
        if form not in skeleton and form not in SCRUBBED:
            assert form not in saved, name
            assert form not in decoded, name
    for form in forms(other, user).values():
        assert form in skeleton or form in SCRUBBED or form not in saved


@pytest.mark.slow(3)
@settings(max_examples=1000, deadline=None)
@given(secret=tokens, codec=st.sampled_from(["utf-8", "latin-1", "utf-16-le"]), before=st.binary(max_size=4))
def test_nor_in_a_body_that_is_no_text(secret, codec, before):
    cassette = Cassette(scrub=Scrubber([secret]))
    body = b"\xff\xfe\x00" + before + secret.encode(codec) + b"\x80" + secret.encode(codec)
    cassette.add(RecordedRequest("GET", "/file"), RecordedResponse(200, (), body))
    (kept,) = cassette.exchanges()
    assert not isinstance(kept.body, str)
    content = base64.b64decode(kept.body.base64) if kept.body.base64 != SCRUBBED else b""
    assert secret.encode(codec) not in content
    assert base64.b64encode(secret.encode()).decode().rstrip("=") not in kept.body.base64


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=40), secret=tokens)
def test_scrubbing_twice_changes_nothing(text, secret):
    scrub = Scrubber([secret])
    once = scrub.text(f"{text}{secret}{text}&token=a{text}")
    assert scrub.text(once) == once


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ('{"access_token": "abc", "id": 1}', '{"access_token": "SCRUBBED", "id": 1}'),
        (r'{"Api-Key":"a\"b","x":"y"}', '{"Api-Key":"SCRUBBED","x":"y"}'),
        ('{"password": 12345, "secret": null, "token": ""}', '{"password": 0, "secret": null, "token": ""}'),
        ('{"acme_api_key": "abc"}', '{"acme_api_key": "SCRUBBED"}'),
        ("client_secret=abc&grant_type=code", "client_secret=SCRUBBED&grant_type=code"),
        ('{"next": "https://a.example/x?sig=abc&page=2"}', '{"next": "https://a.example/x?sig=SCRUBBED&page=2"}'),
        (r'{"next": "https://a.example/x?p=1\u0026sig=abc"}', r'{"next": "https://a.example/x?p=1\u0026sig=SCRUBBED"}'),
        ("https://me:hunter2@a.example/", "https://me:SCRUBBED@a.example/"),
        ('{"nextPageToken": "abc", "cursor": "d", "next_token": "e"}', None),
        ('{"email": "anna@example.com", "name": "Anna", "tokens": 3}', None),
        ('{"price": 12.30, "text": "the token is = 5; a&b"}', None),
    ],
)
def test_by_name(given, kept):
    assert Scrubber().text(given) == (given if kept is None else kept)


def test_an_author_says_what_else_is_secret_and_what_is_not():
    scrub = Scrubber(names=["X-Acme-Pin"], keep=["token"], patterns=[r"[\w.]+@example\.com"])
    assert scrub.text('{"x_acme_pin": "1", "token": "p2", "mail": "anna@example.com"}') == (
        '{"x_acme_pin": "SCRUBBED", "token": "p2", "mail": "SCRUBBED"}'
    )
    assert scrub.pair("x-acme-pin", "1") == ("x-acme-pin", SCRUBBED)


@pytest.mark.parametrize(
    ("headers", "secret"),
    [
        ((("Authorization", "Bearer learned-token"),), "learned-token"),
        ((("Authorization", "Basic " + base64.b64encode(b"anna:learned-token").decode()),), "learned-token"),
        ((("authorization", "learned-token"),), "learned-token"),
        ((("X-Api-Key", "learned-token"),), "learned-token"),
        ((("Cookie", "theme=dark; session=learned-token"),), "learned-token"),
        ((("Authorization", 'Digest username="anna", response="learned-token"'),), "learned-token"),
    ],
)
def test_credentials_of_a_request_are_learned(headers, secret):
    cassette = Cassette()
    cassette.add(RecordedRequest("GET", f"/before/{secret}"), RecordedResponse(200, (), b"anna dark"))
    cassette.add(
        RecordedRequest("GET", f"/bot{secret}/me", headers), RecordedResponse(200, (), secret.encode() + b" anna dark")
    )
    kept = cassette.exchanges()
    assert [one.path for one in kept] == ["/before/SCRUBBED", "/botSCRUBBED/me"]
    assert kept[1].body == "SCRUBBED anna dark"


def test_a_secret_that_is_too_short_is_refused():
    with pytest.raises(ValueError, match="too short") as caught:
        Scrubber(["abc"])
    assert "abc" not in str(caught.value)
    assert Scrubber([""]).text("all of it") == "all of it"


def test_every_secret_of_a_config():
    class Inner(BaseModel):
        key: SecretBytes = SecretBytes(b"inner")

    class Config(BaseModel):
        name: str = "plain"
        token: SecretStr = SecretStr("outer")
        none: SecretStr | None = None
        inner: Inner = Inner()
        many: list[SecretStr] = [SecretStr("one"), SecretStr("two")]
        named: dict[str, SecretStr] = {"a": SecretStr("three")}

    assert sorted(secrets_of(Config())) == ["inner", "one", "outer", "three", "two"]
