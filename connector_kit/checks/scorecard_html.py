"""The scorecard as a page a person likes to read: self-contained, and good on paper."""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from connector_kit.checks.check import CheckResult, Verdict

_WORDS: Mapping[Verdict, str] = {
    "passed": "passed",
    "failed": "failed",
    "untried": "not tried",
    "skipped": "not needed",
    "excepted": "excepted",
}
_STYLE = """
:root { --ink: #1d2733; --soft: #5b6875; --line: #dfe4ea; --paper: #fff; --ground: #f5f6f8;
  --passed: #1a7f4b; --failed: #c0262d; --untried: #b35c00; --skipped: #75808c; --excepted: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaef; --soft: #9aa7b4; --line: #303a45; --paper: #1b222a;
  --ground: #12171d; --passed: #4cc38a; --failed: #ff7a7f; --untried: #f0a35e;
  --skipped: #8a96a3; --excepted: #e0b04a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; margin: 0; }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; display: flex; justify-content: space-between; align-items: baseline; }
h2 small, header p { color: var(--soft); font-weight: normal; }
header p { margin: .2rem 0 1.2rem; }
.verdict { font-weight: 600; }
.counts { display: flex; gap: .75rem; flex-wrap: wrap; margin: 0; padding: 0; list-style: none; }
.counts li { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: .6rem 1rem;
  min-width: 7rem; }
.counts b { display: block; font-size: 1.6rem; line-height: 1.2; }
.bar { display: flex; height: 8px; border-radius: 4px; overflow: hidden; margin: 1rem 0 0; background: var(--line); }
.bar span { display: block; }
section { break-inside: auto; }
.checks { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
details { border-top: 1px solid var(--line); }
details:first-child { border-top: 0; }
summary { display: grid; grid-template-columns: 5.5rem minmax(0, 1fr) auto; gap: .75rem; padding: .45rem .9rem;
  cursor: pointer; list-style: none; align-items: baseline; }
summary::-webkit-details-marker { display: none; }
summary code { color: var(--soft); font-size: .8rem; }
.mark { font-weight: 600; font-size: .85rem; }
.why { grid-column: 2 / -1; color: var(--soft); font-size: .88rem; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: 5.5rem minmax(0, 1fr); gap: .25rem .75rem; margin: 0;
  padding: .2rem .9rem .8rem; font-size: .9rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; white-space: pre-wrap; }
h1, header p { overflow-wrap: anywhere; }
.passed { color: var(--passed); } .failed { color: var(--failed); }
.untried { color: var(--untried); }
.skipped { color: var(--skipped); } .excepted { color: var(--excepted); }
.bar .passed { background: var(--passed); } .bar .failed { background: var(--failed); }
.bar .untried { background: var(--untried); }
.bar .skipped { background: var(--skipped); } .bar .excepted { background: var(--excepted); }
@media (max-width: 36rem) { summary, dl { grid-template-columns: 5rem minmax(0, 1fr); }
  summary code { grid-column: 2; } }
@media print { body { background: #fff; color: #000; font-size: 10pt; } main { max-width: none; padding: 0; }
  details { break-inside: avoid; } h2 { break-after: avoid; } }
"""


def page_of(
    title: str,
    unit: str,
    counts: Mapping[Verdict, int],
    results: Sequence[CheckResult],
    titles: Mapping[str, str],
    moment: datetime,
) -> str:
    """The page: counts, then groups; what failed is open, everything else opens with a click."""
    groups = [_group(titles.get(name, name), list(some)) for name, some in groupby(results, lambda one: one.group)]
    failed = [result for result in results if result.verdict == "failed"]
    untried = [result for result in results if result.verdict == "untried" and not result.good]
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}: conformance</title><style>{_STYLE}</style></head>\n<body><main>\n"
        f"{_head(title, unit, counts, results, moment)}"
        f"{_group('What failed', failed) if failed else ''}"
        f"{_group('What was not tried, although rows depend on it', untried) if untried else ''}"
        f"{''.join(groups)}</main></body></html>\n"
    )


def _head(
    title: str, unit: str, counts: Mapping[Verdict, int], results: Sequence[CheckResult], moment: datetime
) -> str:
    took = f"{len(results)} checks in {sum(result.seconds for result in results):.0f} s"
    untried = sum(result.verdict == "untried" and not result.good for result in results)
    sentence, sort = _verdict(counts, untried)
    boxes = "".join(
        f'<li><b class="{verdict}">{count}</b>{_WORDS[verdict]}</li>' for verdict, count in counts.items() if count
    )
    return (
        f"<header><h1>{escape(title)}</h1>"
        f"<p>Conformance of {escape(unit)} · {moment:%Y-%m-%d %H:%M} UTC · {took}</p>"
        f'<ul class="counts">{boxes}</ul><div class="bar">{_bar(counts)}</div>'
        f'<p class="verdict {sort}">{sentence}</p></header>\n'
    )


def _verdict(counts: Mapping[Verdict, int], untried: int) -> tuple[str, str]:
    """The page's first sentence, and its colour."""
    failed = counts["failed"]
    broken = "One promise is broken." if failed == 1 else f"{failed} promises are broken."
    open_ = f"{untried} promise(s) on which rows depend were not tried." if untried else ""
    if failed or untried:
        return " ".join(filter(None, [broken if failed else "", open_])), "failed" if failed else "untried"
    return f"It keeps the {counts['passed']} promises that apply to it.", "passed"


def _bar(counts: Mapping[Verdict, int]) -> str:
    every = sum(counts.values()) or 1
    return "".join(
        f'<span class="{verdict}" style="width:{100 * count / every:.2f}%"></span>'
        for verdict, count in counts.items()
        if count
    )


def _group(title: str, results: Sequence[CheckResult]) -> str:
    passed = sum(result.verdict == "passed" for result in results)
    rows = "".join(map(_row, results))
    return (
        f"<section><h2>{escape(title)}<small>{passed} of {len(results)} passed</small></h2>"
        f'<div class="checks">{rows}</div></section>\n'
    )


def _row(result: CheckResult) -> str:
    opened = "" if result.good else " open"
    why = f'<span class="why">{escape(result.reason)}</span>' if result.reason else ""
    return (
        f'<details{opened}><summary><span class="mark {result.verdict}">{_WORDS[result.verdict]}</span>'
        f"<span>{escape(result.title)}</span><code>{escape(result.check)}</code>{why}</summary>"
        f"<dl>{_terms(_observed(result))}</dl></details>"
    )


def _observed(result: CheckResult) -> Iterable[tuple[str, str]]:
    yield "Sent", result.sent
    yield "Received", result.received
    yield "Expected", result.expected
    yield "Protects", result.protects
    yield "Took", f"{result.seconds:.2f} s"


def _terms(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in pairs if text)
