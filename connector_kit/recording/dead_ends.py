"""Recorded answers that lead nowhere: they name a next page that was never asked for.

A look at the first page alone leaves such an answer on the tape, and a later reading of the whole list leaves another
one to the same request. Only the second leads to the end.

Nothing is known here of an API's pages. A next page is a recorded request that carries a text from an answer's
top-level fields (or nested objects, never rows) under one name more than the request before, or that is the link in
the answer. Where a field did that once, it is what leads on in every answer of that address.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from connector_kit.recording.cassette_lines import Exchange

Address = tuple[str, str]
"""Method and path."""
_LINK = "Link header"


def dead_ends(exchanges: Sequence[Exchange]) -> frozenset[int]:
    """Places of those answers from which no recorded chain of pages comes to an end."""
    return _dead_ends(_Tape(exchanges).all_followers())


def one_answer_each(exchanges: Sequence[Exchange], key_of: Callable[[Exchange], Hashable]) -> list[Exchange]:
    """One answer to each request, the first that does not end dead, and only those next pages that they lead to.

    A service whose page tokens are new at each reading fills a tape with chains that say the same.
    """
    followers = _Tape(exchanges).all_followers()
    dead = _dead_ends(followers)
    chosen: dict[Hashable, int] = {}
    for place in sorted(range(len(exchanges)), key=lambda one: (one in dead, one)):
        chosen.setdefault(key_of(exchanges[place]), place)
    later = set[int]().union(*(following or () for following in followers))
    found, kept = [place for place in chosen.values() if place not in later], set[int]()
    while found:
        place = found.pop()
        if place not in kept:
            kept.add(place)
            found += [chosen[key_of(exchanges[each])] for each in followers[place] or ()]
    return [exchanges[place] for place in sorted(kept)]


def _dead_ends(followers: Sequence[set[int] | None]) -> frozenset[int]:
    before: dict[int, list[int]] = defaultdict(list)
    for place, following in enumerate(followers):
        for each in following or ():
            before[each].append(place)
    alive, found = set[int](), [place for place, following in enumerate(followers) if following is None]
    while found:
        place = found.pop()
        if place not in alive:
            alive.add(place)
            found += before[place]
    return frozenset(range(len(followers))) - alive


class _Tape:
    """Requests by what they carry, and what answers hand out."""

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self._asked = [_pairs_of(one) for one in exchanges]
        self._given = [dict(_handed_out(one)) for one in exchanges]
        self._addresses: list[Address] = [(one.method, one.path) for one in exchanges]
        self._carrying: dict[tuple[Address, str], list[tuple[int, str]]] = defaultdict(list)
        self._targets: dict[tuple[str, frozenset[tuple[str, str]]], list[int]] = defaultdict(list)
        for place, (address, pairs) in enumerate(zip(self._addresses, self._asked, strict=True)):
            self._targets[address[1], frozenset(pairs.items())].append(place)
            for name, value in pairs.items():
                self._carrying[address, value].append((place, name))
        self._leading: dict[Address, set[str]] = defaultdict(set)
        for place, (address, given) in enumerate(zip(self._addresses, self._given, strict=True)):
            self._leading[address] |= {name for name, value in given.items() if self._following(place, value)}

    def all_followers(self) -> list[set[int] | None]:
        """For each answer the places of what answers the next page; None when it names no next page."""
        return [self._followers(place) for place in range(len(self._asked))]

    def _followers(self, place: int) -> set[int] | None:
        names = self._leading[self._addresses[place]]
        tokens = [value for name, value in self._given[place].items() if name in names]
        return {each for token in tokens for each in self._following(place, token)} if tokens else None

    def _following(self, place: int, token: str) -> list[int]:
        link = urlsplit(token)
        if link.query and link.path.startswith("/"):
            return self._targets.get((link.path, frozenset(parse_qsl(link.query, keep_blank_values=True))), [])
        asked, address = self._asked[place], self._addresses[place]
        return [
            other
            for other, name in self._carrying.get((address, token), ())
            if asked.get(name) != token and _same_but(asked, self._asked[other], name)
        ]


def _same_but(first: dict[str, str], second: dict[str, str], name: str) -> bool:
    common = (first.keys() & second.keys()) - {name}
    return all(first[each] == second[each] for each in common)


def _pairs_of(one: Exchange) -> dict[str, str]:
    """Parameters, and top-level texts and numbers of a JSON body."""
    sent = _decoded(one.sent)
    fields = sent.items() if isinstance(sent, dict) else ()
    return {**dict(one.query), **{name: str(value) for name, value in fields if isinstance(value, str | int)}}


def _handed_out(one: Exchange) -> Iterator[tuple[str, str]]:
    """Texts of the answer by their path, without those of rows; and its link to the next page."""
    if "link" in one.headers:
        link = httpx.Response(one.status, headers={"link": one.headers["link"]}).links.get("next", {}).get("url")
        if link:
            yield _LINK, link
    yield from _texts(_decoded(one.body), "")


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and value:
        yield path, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, f"{path}.{name}")


def _decoded(body: object) -> Any:
    if not isinstance(body, str):
        return None
    try:
        return json.loads(body)
    except ValueError:
        return None
