"""What a cell shows: HTML for a browser, plain text for everything else (a terminal, a log, a diff)."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

INK = "currentColor"
BLUE, GREEN, AMBER, RED, GREY, VIOLET = "#4c7fd0", "#3f9d6c", "#d98b24", "#d05252", "#9aa3ad", "#8b6cc9"
"""Middle tones: each can be read on a white page and on a black one."""

_STYLE = """<style>
.nk{font:13px/1.5 var(--jp-content-font-family,system-ui,-apple-system,"Segoe UI",sans-serif);max-width:1000px;
 overflow-x:auto;margin:.2em 0 .6em}
.nk .nk-title{font-weight:600;margin:0 0 .35em}
.nk .nk-note{opacity:.72;margin:.35em 0 0;font-size:12px}
.nk.nk table{border-collapse:collapse;table-layout:auto;margin:0;font-size:12.5px;border:0}
.nk.nk th,.nk.nk td{padding:3px 12px 3px 0;text-align:left;vertical-align:top;white-space:nowrap;border:0;
 background:none;max-width:420px;overflow:hidden;text-overflow:ellipsis}
.nk.nk thead th{border-bottom:1.5px solid;font-weight:600}
.nk.nk thead th small{font-weight:400;opacity:.65;display:block;line-height:1.2}
.nk.nk tbody tr{background:none}
.nk.nk tbody td{border-bottom:1px solid rgba(128,128,128,.22)}
.nk.nk td.nk-wrap{white-space:normal;min-width:220px}
.nk.nk th.nk-num,.nk.nk td.nk-num{text-align:right;font-variant-numeric:tabular-nums}
.nk.nk code{font-family:var(--jp-code-font-family,ui-monospace,monospace);font-size:12px;background:none;
 color:inherit;padding:0}
.nk.nk td.nk-name{opacity:.7}
.nk .nk-null{opacity:.4;font-style:italic}
.nk .nk-chip{display:inline-block;border:1px solid rgba(128,128,128,.5);border-radius:9px;padding:0 8px;
 margin:0 4px 2px 0;font-size:11.5px;line-height:17px}
.nk .nk-beside{display:flex;flex-wrap:wrap;gap:8px 40px;align-items:flex-start}
.nk svg{display:block;max-width:100%;height:auto}
</style>"""


_SHOWN = {"\n": "\n", "\t": "⇥"}


def safe(text: str) -> str:
    """Any text as text in HTML and SVG; what no page can hold (NUL, say) is made visible. Lines stay lines."""
    return escape("".join(one if one.isprintable() else _SHOWN.get(one, f"\\x{ord(one):02x}") for one in text))


@dataclass(frozen=True)
class Drawing:
    """Something to look at. A cell that ends with it shows it.

    Attributes:
        body: HTML without the frame around it.
        text: The same in plain text.
        title: One line above.
        note: One line below, in small print.
    """

    body: str
    text: str
    title: str = ""
    note: str = ""

    def _repr_html_(self) -> str:
        """What Jupyter shows."""
        return f'{_STYLE}<div class="nk">{self.inner}</div>'

    @property
    def inner(self) -> str:
        """HTML with title and note, to be put into something larger."""
        head = f'<div class="nk-title">{safe(self.title)}</div>' if self.title else ""
        foot = f'<div class="nk-note">{safe(self.note)}</div>' if self.note else ""
        return f"{head}{self.body}{foot}"

    def __repr__(self) -> str:
        return "\n".join(line for line in (self.title, self.text, self.note) if line)


def beside(*parts: Drawing) -> Drawing:
    """Several things next to each other; below each other where the page is narrow."""
    inner = "".join(f"<div>{part.inner}</div>" for part in parts)
    return Drawing(f'<div class="nk-beside">{inner}</div>', "\n\n".join(repr(part) for part in parts))


def below(*parts: Drawing) -> Drawing:
    """Several things, one below the other."""
    inner = '<div style="height:14px"></div>'.join(part.inner for part in parts)
    return Drawing(inner, "\n\n".join(repr(part) for part in parts))
