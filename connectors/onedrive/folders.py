"""The folders of a drive, by id: what paths are derived from, and what tells that a whole subtree changed.

A delta names neither paths nor what lies in a folder that was moved, so the tree of the last reading is part of the
checkpoint, without files: about 30 bytes a folder.
"""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Folder(NamedTuple):
    """One folder; ``parent`` is empty for the root, ``mark`` changes when the folder itself does (where kept)."""

    parent: str
    name: str
    mark: str = ""


_decode = msgspec.json.Decoder(dict[str, Folder]).decode


class FolderTree:
    """Folders by id. Make a new one for another state."""

    def __init__(self, folders: Mapping[str, Folder] | None = None) -> None:
        self.folders: dict[str, Folder] = dict(folders or {})
        self._paths: dict[str, str | None] = {}

    @classmethod
    def decoded(cls, text: str) -> FolderTree:
        """From :meth:`encoded`."""
        return cls(_decode(zlib.decompress(base64.b64decode(text)))) if text else cls()

    def encoded(self) -> str:
        """As text, for a checkpoint."""
        body = msgspec.json.encode(dict(sorted(self.folders.items(), key=lambda one: (one[1].parent, one[0]))))
        return base64.b64encode(zlib.compress(body, 6)).decode()

    def path(self, folder_id: str) -> str | None:
        """``/`` for the root, ``/a/b`` below it; None when a folder above is not known."""
        chain = []
        at = folder_id
        while at not in self._paths:
            if at not in self.folders or at in chain:
                self._paths[at] = None
            elif not self.folders[at].parent:
                self._paths[at] = "/"
            else:
                chain.append(at)
                at = self.folders[at].parent
        for one in reversed(chain):
            self._paths[one] = joined(self._paths[self.folders[one].parent], self.folders[one].name)
        return self._paths[folder_id]

    def below(self, tops: Iterable[str]) -> set[str]:
        """These folders and all folders below them."""
        inside = dict.fromkeys(tops, True)
        for start in self.folders:
            chain, at = [], start
            while at not in inside and at in self.folders and at not in chain:
                chain.append(at)
                at = self.folders[at].parent
            for one in chain:
                inside[one] = inside.get(at, False)
        return {one for one, is_in in inside.items() if is_in}

    def after(self, changed: Mapping[str, Folder], gone: Iterable[str]) -> FolderTree:
        """The tree with changes."""
        lost = set(gone)
        return FolderTree({one: what for one, what in {**self.folders, **changed}.items() if one not in lost})

    def moved(self, changed: Mapping[str, Folder]) -> set[str]:
        """Known folders that were renamed or moved."""
        return {one for one, what in changed.items() if one in self.folders and self.folders[one][:2] != what[:2]}

    def is_moved(self, changed: Mapping[str, Folder], gone: Iterable[str]) -> bool:
        """True when a folder that is known was renamed, moved or deleted: what is below it changed without a word."""
        return any(one in self.folders for one in gone) or bool(self.moved(changed))

    def touched(self, changed: Mapping[str, Folder]) -> set[str]:
        """Known folders that changed themselves, by their marks."""
        return {one for one, what in changed.items() if one in self.folders and self.folders[one].mark != what.mark}


def joined(base: str | None, name: str) -> str | None:
    """A path and a name below it."""
    return None if base is None else f"{base.rstrip('/')}/{name}"
