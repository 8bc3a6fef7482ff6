"""What happens to a site. Only edits make a new version of a page; nothing else touches ``version.createdAt``.

Documented: the children of a trashed page move up. Assumed: a move keeps the version (and takes the children along,
into another space too), and so do restoring and resolving; archiving takes only the page itself; a purged page is 404;
replies go with the comment they answer. Where a new version might tell of a change, there is none: that is harder.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from sandbox.confluence.records import (
    AttachmentRecord,
    CommentRecord,
    ContentRecord,
    ContentVersion,
    LabelRecord,
    Piece,
    SpaceRecord,
)

if TYPE_CHECKING:
    import random
    from threading import RLock

Body = str | tuple[Piece, ...]
"""Words, which are put into a paragraph as they are, or pieces (see ``bodies``)."""


def _pieces(body: Body) -> tuple[Piece, ...]:
    return body if isinstance(body, tuple) else (("text", body),)


def _number(content_id: str | int) -> int:
    return int(str(content_id).removeprefix("att"))


class SiteChanges:
    """Every method takes ids as text or numbers and is one change at one moment of the site's clock."""

    lock: RLock
    step_ms: int
    now_ms: int
    revision: int
    next_id: int
    chance: random.Random
    people: list[str]
    spaces: dict[int, SpaceRecord]
    content: dict[int, ContentRecord]
    comments: dict[int, CommentRecord]
    attachments: dict[int, AttachmentRecord]
    labels: dict[int, LabelRecord]

    def new_id(self) -> int:
        """The next id; gaps are usual."""
        self.next_id += 3 + self.next_id % 5
        return self.next_id

    def tick(self, step: int | None = None) -> int:
        """The moment of a change."""
        self.now_ms += self.step_ms if step is None else step
        self.revision += 1
        return self.now_ms

    def space(self, key: str) -> SpaceRecord:
        """By key; raises KeyError."""
        for one in self.spaces.values():
            if one.key == key:
                return one
        raise KeyError(key)

    def page(self, content_id: str | int) -> ContentRecord:
        """A page or blog post by id, whatever its status; raises KeyError."""
        return self.content[_number(content_id)]

    # --- pages and blog posts ----------------------------------------------------------------------------------

    def create_page(
        self,
        space: str,
        title: str,
        body: Body = "",
        parent: str | int | None = None,
        type: str = "page",  # noqa: A002
    ) -> str:
        """A page below ``parent``, or a blog post; the id."""
        with self.lock:
            now, number, author = self.tick(), self.new_id(), self.people[0]
            version = ContentVersion(1, now, author, title, _pieces(body))
            made = ContentRecord(number, type, self.space(space).space_id, author, now, [version], owner=author)
            if type == "page":
                made.position = number % 5000
                if parent is not None:
                    made.parent_id, made.parent_type = _number(parent), "page"
            self.content[number] = made
            return str(number)

    def edit(
        self, content_id: str | int, body: Body | None = None, title: str | None = None, *, minor: bool = False
    ) -> int:
        """A new version; its number."""
        with self.lock:
            page, now = self.page(content_id), self.tick()
            last = page.last
            pieces = last.pieces if body is None else _pieces(body)
            author = self.people[last.number % len(self.people)]
            page.versions.append(ContentVersion(last.number + 1, now, author, title or last.title, pieces, minor=minor))
            return last.number + 1

    def move(self, content_id: str | int, space: str | None = None, parent: str | int | None = None) -> None:
        """Elsewhere, with everything below; no new version."""
        with self.lock:
            self.tick()
            page = self.page(content_id)
            page.parent_id = None if parent is None else _number(parent)
            page.parent_type = None if parent is None else "page"
            target = self.space(space).space_id if space else page.space_id
            if parent is not None:
                target = self.page(parent).space_id
            below = self.descendants(page.content_id)
            if page.parent_id in {one.content_id for one in below}:
                raise ValueError("a page cannot move below itself")
            for one in below:
                one.space_id = target

    def descendants(self, content_id: int) -> list[ContentRecord]:
        """The page and everything below it."""
        children: dict[int | None, list[ContentRecord]] = {}
        for one in self.content.values():
            children.setdefault(one.parent_id, []).append(one)
        found, at = [self.content[content_id]], 0
        while at < len(found):
            found += children.get(found[at].content_id, [])
            at += 1
        return found

    def _set_status(self, content_id: str | int, status: str) -> ContentRecord:
        with self.lock:
            self.tick()
            page = self.page(content_id)
            page.status = status
            return page

    def archive(self, content_id: str | int) -> None:
        """The page alone."""
        self._set_status(content_id, "archived")

    def unarchive(self, content_id: str | int) -> None:
        """Current again."""
        self._set_status(content_id, "current")

    def trash(self, content_id: str | int) -> None:
        """Into the trash; children move up."""
        with self.lock:
            page = self._set_status(content_id, "trashed")
            for one in self.content.values():
                if one.parent_id == page.content_id:
                    one.parent_id, one.parent_type = page.parent_id, page.parent_type

    def restore(self, content_id: str | int) -> None:
        """Out of the trash, with the version it had; below its parent if that is still there and current."""
        with self.lock:
            page = self._set_status(content_id, "current")
            above = self.content.get(page.parent_id or 0)
            if page.parent_type == "page" and (
                above is None or above.space_id != page.space_id or above.status != "current"
            ):
                page.parent_id = page.parent_type = None

    def purge(self, content_id: str | int) -> None:
        """For good, with comments and attachments."""
        with self.lock:
            page = self.page(content_id)
            if page.status != "trashed":
                self.trash(content_id)
            self.tick()
            del self.content[page.content_id]
            for file in [one for one in self.attachments.values() if one.container[1] == page.content_id]:
                self.delete_attachment(file.name)
                del self.attachments[file.attachment_id]
            self._drop_comments_of((page.kind, page.content_id))

    def hide(self, content_id: str | int, *, hidden: bool = True) -> None:
        """The account that asks may no longer see it."""
        with self.lock:
            self.tick()
            self.page(content_id).hidden = hidden

    def delete_version(self, content_id: str | int, number: int) -> None:
        """An old version for good; the others keep their numbers. Raises ValueError for the last one."""
        with self.lock:
            self.tick()
            page = self.page(content_id)
            if number == page.last.number:
                raise ValueError("the version that is shown cannot be deleted")
            page.versions = [one for one in page.versions if one.number != number]

    def plant_odd_text(self, content_id: str | int) -> str:
        """A title with a lone surrogate and NUL, without a new version; the title."""
        with self.lock:
            self.tick()
            last = self.page(content_id).last
            last.title = f"odd \ud83d and \0 in {content_id}"
            return last.title

    # --- spaces ------------------------------------------------------------------------------------------------

    def archive_space(self, key: str) -> None:
        """Its content keeps its status."""
        with self.lock:
            self.tick()
            self.space(key).status = "archived"

    def rename_space(self, key: str, name: str) -> None:
        """The key stays."""
        with self.lock:
            self.tick()
            self.space(key).name = name

    def delete_space(self, key: str) -> None:
        """With everything in it."""
        with self.lock:
            gone = self.space(key)
            for one in [page for page in self.content.values() if page.space_id == gone.space_id]:
                self.purge(one.content_id)
            self.tick()
            del self.spaces[gone.space_id]

    def grant(self, space: str, principal: tuple[str, str], operation: str, target: str = "space") -> str:
        """Permission of a (user | group | role, id); its id."""
        with self.lock:
            self.tick()
            ident = str(self.new_id())
            self.space(space).grants.append((ident, *principal, operation, target))
            return ident

    def revoke(self, space: str, principal: tuple[str, str], operation: str) -> None:
        """Take such permissions away."""
        with self.lock:
            self.tick()
            home = self.space(space)
            home.grants = [one for one in home.grants if (one[1:3], one[3]) != (principal, operation)]

    # --- labels and restrictions -------------------------------------------------------------------------------

    def label_id(self, name: str, prefix: str = "global") -> int:
        """Of a label, made if it is new."""
        for one in self.labels.values():
            if (one.name, one.prefix) == (name, prefix):
                return one.label_id
        number = len(self.labels) + 1
        self.labels[number] = LabelRecord(number, name, prefix)
        return number

    def _labelled(self, content_id: str | int) -> dict[int, int]:
        number = _number(content_id)
        return (self.attachments if str(content_id).startswith("att") else self.content)[number].labels

    def add_label(self, content_id: str | int, name: str, prefix: str = "global") -> None:
        """On a page, blog post or attachment (``att…``)."""
        with self.lock:
            self._labelled(content_id)[self.label_id(name, prefix)] = self.tick()

    def remove_label(self, content_id: str | int, name: str, prefix: str = "global") -> None:
        """Nothing happens if it is not there."""
        with self.lock:
            self.tick()
            self._labelled(content_id).pop(self.label_id(name, prefix), None)

    def restrict(
        self, content_id: str | int, operation: str, user: str | None = None, group: str | None = None
    ) -> None:
        """Operation: read or update."""
        with self.lock:
            self.tick()
            entry = (operation, "user" if user else "group", user or group or "")
            if entry not in (held := self.page(content_id).restrictions):
                held.append(entry)

    def unrestrict(
        self, content_id: str | int, operation: str, user: str | None = None, group: str | None = None
    ) -> None:
        """The opposite."""
        with self.lock:
            self.tick()
            page, entry = self.page(content_id), (operation, "user" if user else "group", user or group or "")
            page.restrictions = [one for one in page.restrictions if one != entry]

    # --- comments ----------------------------------------------------------------------------------------------

    def new_comment(
        self,
        container: tuple[str, int],
        markup: str,
        *,
        inline: bool,
        parent: CommentRecord | None = None,
        step: int | None = None,
    ) -> CommentRecord:
        """A comment on (kind, id)."""
        now, number = self.tick(step), self.new_id()
        home = self.content.get(container[1])
        title = f"Re: {home.title}" if home else "Re: a file"
        author = self.people[number % len(self.people)] if number % 37 else None
        version = ContentVersion(1, now, author, title, (("text", markup),))
        made = CommentRecord(
            number, "inline" if inline else "footer", container, parent.comment_id if parent else None, now, [version]
        )
        if inline and parent is None:
            made.resolution, made.selection = "open", f"words & <more> {number}"
        self.comments[number] = made
        return made

    def comment(
        self, content_id: str | int, text: str, *, inline: bool = False, parent: str | int | None = None
    ) -> str:
        """On a page, blog post or attachment (``att…``), or below another comment; its id."""
        with self.lock:
            above = self.comments[int(parent)] if parent is not None else None
            if above is not None:
                container, inline = above.container, above.kind == "inline"
            elif str(content_id).startswith("att"):
                container = ("attachment", _number(content_id))
            else:
                container = (self.page(content_id).kind, _number(content_id))
            return str(self.new_comment(container, text, inline=inline, parent=above).comment_id)

    def edit_comment(self, comment_id: str | int, text: str) -> None:
        """A new version of the comment."""
        with self.lock:
            one, now = self.comments[int(comment_id)], self.tick()
            last = one.last
            one.versions.append(ContentVersion(last.number + 1, now, last.author, last.title, (("text", text),)))

    def resolve_comment(self, comment_id: str | int, status: str = "resolved") -> None:
        """Of an inline comment; no new version."""
        with self.lock:
            self.tick()
            self.comments[int(comment_id)].resolution = status

    def delete_comment(self, comment_id: str | int) -> None:
        """For good, with its replies."""
        with self.lock:
            self.tick()
            self.comments.pop(int(comment_id), None)
            for one in [reply for reply in self.comments.values() if reply.parent_id == int(comment_id)]:
                self.delete_comment(one.comment_id)

    def _drop_comments_of(self, container: tuple[str, int]) -> None:
        for one in [each for each in self.comments.values() if each.container == container]:
            self.comments.pop(one.comment_id, None)

    # --- attachments -------------------------------------------------------------------------------------------

    def new_attachment(
        self, container: tuple[str, int], name: str, media_type: str, size: int, step: int | None = None
    ) -> AttachmentRecord:
        """A file on (kind, id)."""
        now, number = self.tick(step), self.new_id()
        file_id = str(uuid.UUID(int=number * 0x1_0000_0001, version=4))
        version = ContentVersion(
            1, now, self.people[number % len(self.people)], name, message="" if number % 2 else "first"
        )
        self.attachments[number] = made = AttachmentRecord(number, container, media_type, file_id, size, now, [version])
        return made

    def attach(self, content_id: str | int, name: str, media_type: str = "text/plain", size: int = 10) -> str:
        """A file on a page or blog post; its id (``att…``)."""
        with self.lock:
            return self.new_attachment((self.page(content_id).kind, _number(content_id)), name, media_type, size).name

    def update_attachment(self, attachment_id: str, size: int = 20, message: str = "again") -> None:
        """A new version of the file."""
        with self.lock:
            file, now = self.attachments[_number(attachment_id)], self.tick()
            last, file.size = file.last, size
            file.file_id = str(uuid.UUID(int=file.attachment_id * 0x1_0000_0001 + last.number, version=4))
            file.versions.append(ContentVersion(last.number + 1, now, self.people[1], last.title, message=message))

    def delete_attachment(self, attachment_id: str) -> None:
        """Into the trash; its comments go."""
        with self.lock:
            self.tick()
            self.attachments[_number(attachment_id)].status = "trashed"
            self._drop_comments_of(("attachment", _number(attachment_id)))

    def churn(self, n: int, rng: random.Random) -> list[str]:
        """``n`` changes by chance; what they were."""
        from sandbox.confluence.churn import one_change  # noqa: PLC0415 - it needs this class

        return [one_change(self, rng) for _ in range(n)]
