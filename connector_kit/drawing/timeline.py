"""Requests over time: one band a path, overlapping ones above each other, and the pauses a server requested."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Protocol

from connector_kit.drawing.drawing import AMBER, BLUE, RED, VIOLET, Drawing
from connector_kit.drawing.svg import Sheet, ticks
from connector_kit.drawing.values import duration, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.recording.proxy import TimelineEntry

_WIDTH, _LEFT, _LONGEST_NAME = 900.0, 250.0, 32
_LANE_PX, _BAND_GAP_PX = 13.0, 9.0
_SHORTEST_PAUSE_S = 0.05
THROTTLED = 429


class Waits(Protocol):
    """Who makes requests wait: a client's governor."""

    waited_s: float


def timeline(requests: Sequence[TimelineEntry], governor: Waits | None = None, *, title: str = "") -> Drawing:
    """What went through the proxy, and when.

    Args:
        requests: ``RecordingProxy.requests``, or a part of it.
        governor: Of the client that sent them; adds how long its workers waited for their turn.
        title: Instead of the usual one.
    """
    if not requests:
        return Drawing("No requests.", "No requests.", title)
    start = min(one.began_s for one in requests)
    end = max(one.began_s + one.seconds for one in requests)
    bands = _bands(requests)
    sheet, span = Sheet(_WIDTH, "Requests over time"), max(end - start, 1e-6)
    scale = (_WIDTH - _LEFT - 12) / span
    bottom = _draw_bands(sheet, bands, start, scale)
    _draw_pauses(sheet, pauses(requests), start, scale, bottom)
    for at in ticks(span):
        sheet.line(_LEFT + at * scale, 0, _LEFT + at * scale, bottom, alpha=0.14)
        sheet.text(_LEFT + at * scale, bottom + 13, _moment(at), anchor="middle", px=10.5, alpha=0.6)
    sheet.legend(bottom + 22, _legend(requests))
    return Drawing(sheet.done(), _plain(bands, start), title or _title(requests, span), _note(requests, governor))


def pauses(requests: Sequence[TimelineEntry]) -> list[tuple[float, float]]:
    """(from, to) of stretches without requests after a throttled answer, in seconds since the proxy began."""
    pauses: list[tuple[float, float]] = []
    for one in requests:
        if one.status != THROTTLED:
            continue
        ended = one.began_s + one.seconds
        after = [other.began_s for other in requests if other.began_s > ended]
        if after and min(after) - ended >= _SHORTEST_PAUSE_S:
            pauses.append((ended, min(after)))
    return sorted(set(pauses))


def colour(one: TimelineEntry) -> tuple[str, str]:
    """(colour, words) of an exchange."""
    if one.status == THROTTLED:
        return AMBER, "throttled"
    if one.status == 0 or one.status >= 400:
        return RED, "failed"
    return (VIOLET, "fault injected") if one.fault else (BLUE, "answered")


def _bands(requests: Sequence[TimelineEntry]) -> dict[str, list[list[TimelineEntry]]]:
    """Requests by method and path, each path's in as few lanes as let none overlap."""
    bands: dict[str, list[list[TimelineEntry]]] = defaultdict(list)
    for one in sorted(requests, key=lambda seen: seen.began_s):
        lanes = bands[f"{one.method} {one.path}"]
        free = next((lane for lane in lanes if lane[-1].began_s + lane[-1].seconds <= one.began_s), None)
        if free is None:
            lanes.append([one])
        else:
            free.append(one)
    return dict(bands)


def _draw_bands(sheet: Sheet, bands: dict[str, list[list[TimelineEntry]]], start: float, scale: float) -> float:
    y = 4.0
    for name, lanes in bands.items():
        count = sum(len(lane) for lane in lanes)
        sheet.text(0, y + 10, _tail(name), tip=name)
        sheet.text(_LEFT - 12, y + 10, str(count), anchor="end", alpha=0.55, tip="requests")
        for lane in lanes:
            for one in lane:
                x = _LEFT + (one.began_s - start) * scale
                sheet.box(x, y, max(one.seconds * scale, 2), _LANE_PX - 2, colour(one)[0], alpha=0.85, tip=_tip(one))
            y += _LANE_PX
        y += _BAND_GAP_PX
    return y - 2


def _tail(name: str) -> str:
    """Method and the end of the path, which says more than its beginning."""
    method, _, path = name.partition(" ")
    most = _LONGEST_NAME - len(method)
    return name if len(path) <= most else f"{method} …{path[len(path) - most + 1 :]}"


def _draw_pauses(sheet: Sheet, pauses: list[tuple[float, float]], start: float, scale: float, bottom: float) -> None:
    for begin, end in pauses:
        x, width = _LEFT + (begin - start) * scale, (end - begin) * scale
        sheet.box(x, 0, width, bottom, AMBER, alpha=0.16, tip=f"no request for {duration(end - begin)}")
        if width > 60:
            sheet.text(x + width / 2, bottom - 4, f"pause {duration(end - begin)}", anchor="middle", px=10.5, alpha=0.8)


def _legend(requests: Sequence[TimelineEntry]) -> list[tuple[str, str]]:
    return [(shade, words) for shade, words in dict.fromkeys(colour(one) for one in requests)]


def _tip(one: TimelineEntry) -> str:
    query = "&".join(f"{name}={value}" for name, value in one.query)
    answer = f"{one.status or 'no answer'}, {size(one.size_bytes)}, {duration(one.seconds)}"
    return "\n".join(line for line in (f"{one.method} {one.path}?{query}".rstrip("?"), answer, one.fault) if line)


def _title(requests: Sequence[TimelineEntry], span: float) -> str:
    count = len(requests)
    sent = size(sum(one.size_bytes for one in requests))
    return f"{count:,} request{'s' if count != 1 else ''} in {duration(span)}, {sent}"


def _note(requests: Sequence[TimelineEntry], governor: Waits | None) -> str:
    slowed = sum(one.status == THROTTLED for one in requests)
    remarks = [f"{slowed} answered «too many»"] if slowed else []
    if governor is not None:
        remarks.append(f"workers waited {duration(governor.waited_s)} for their turn, all together")
    return "; ".join(remarks)


def _moment(at: float) -> str:
    return f"{at * 1000:.0f} ms" if 0 < at < 1 else f"{at:g} s"


def _plain(bands: dict[str, list[list[TimelineEntry]]], start: float) -> str:
    every = sorted(((one, name) for name, lanes in bands.items() for lane in lanes for one in lane), key=_begin)
    return "\n".join(
        f"{duration(one.began_s - start):>8}  {one.status}  {name}  {one.fault}".rstrip() for one, name in every
    )


def _begin(pair: tuple[TimelineEntry, str]) -> float:
    return pair[0].began_s
