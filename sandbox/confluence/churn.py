"""Changes by chance, each as a user might make it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from sandbox.confluence.changes import SiteChanges


def _move(site: SiteChanges, page: str, rng: random.Random) -> None:
    record = site.page(page)
    if record.kind == "blogpost" or record.content_id in {one.home_id for one in site.spaces.values()}:
        return
    below = {one.content_id for one in site.descendants(record.content_id)}
    homes = [one.home_id for one in site.spaces.values() if one.home_id and one.home_id not in below]
    homes = [one for one in homes if one in site.content]
    if homes:
        site.move(page, parent=rng.choice(homes))


def _comment(site: SiteChanges, page: str, rng: random.Random) -> None:
    if site.comments and rng.random() < 0.6:
        chosen = rng.choice([*site.comments])
        rng.choice((site.delete_comment, lambda one: site.edit_comment(one, "<p>Edited</p>")))(chosen)
    else:
        site.comment(page, f"<p>New {rng.random():.6f}</p>", inline=rng.random() < 0.5)


def _attachment(site: SiteChanges, page: str, rng: random.Random) -> None:
    held = [one.name for one in site.attachments.values() if one.status == "current"]
    if held and rng.random() < 0.6:
        chosen = rng.choice(held)
        rng.choice((site.delete_attachment, site.update_attachment))(chosen)
    else:
        site.attach(page, f"new {rng.random():.4f}.txt")


def _back(site: SiteChanges, _page: str, rng: random.Random) -> None:
    away = [one for one in site.content.values() if one.status in {"trashed", "archived"}]
    if away:
        one = rng.choice(away)
        (site.restore if one.status == "trashed" else site.unarchive)(one.content_id)


def _permission(site: SiteChanges, _page: str, rng: random.Random) -> None:
    space = rng.choice([*site.spaces.values()])
    if space.grants and rng.random() < 0.5:
        _, who, name, operation, _ = rng.choice(space.grants)
        site.revoke(space.key, (who, name), operation)
    else:
        site.grant(space.key, ("user", rng.choice(site.people)), "read")


def _resolve(site: SiteChanges, _page: str, rng: random.Random) -> None:
    inline = [one.comment_id for one in site.comments.values() if one.resolution is not None]
    if inline:
        site.resolve_comment(rng.choice(inline), rng.choice(("resolved", "reopened")))


def _old_version(site: SiteChanges, page: str, rng: random.Random) -> None:
    versions = site.page(page).versions
    if len(versions) > 1:
        site.delete_version(page, rng.choice(versions[:-1]).number)


def _gone(site: SiteChanges, page: str, rng: random.Random) -> None:
    if site.page(page).content_id not in {one.home_id for one in site.spaces.values()}:
        rng.choice((site.trash, site.trash, site.archive, site.purge))(page)


def _edit(site: SiteChanges, page: str, rng: random.Random) -> None:
    words = f"Edited {rng.random():.6f}"
    site.edit(page, body=(("text", words), ("issue", f"ENG-{rng.randrange(99)}")), minor=rng.random() < 0.2)


_CHANGES: tuple[tuple[str, Callable[[SiteChanges, str, random.Random], object]], ...] = (
    ("edit", _edit),
    ("edit", _edit),
    ("rename", lambda site, page, rng: site.edit(page, title=f"Renamed {rng.random():.6f}")),
    ("create", lambda site, page, rng: site.create_page(
        next(one.key for one in site.spaces.values() if one.space_id == site.page(page).space_id),
        f"New {rng.random():.8f}", "<b>new</b>", type=rng.choice(("page", "page", "blogpost")))),
    ("move", _move),
    ("gone", _gone),
    ("back", _back),
    ("label", lambda site, page, rng: site.add_label(page, rng.choice(("todo", "new", "x")))),
    ("unlabel", lambda site, page, rng: site.remove_label(page, rng.choice(("todo", "new", "x")))),
    ("comment", _comment),
    ("attachment", _attachment),
    ("resolve", _resolve),
    ("old version", _old_version),
    ("restrict", lambda site, page, rng: site.restrict(page, rng.choice(("read", "update")), user=site.people[1])),
    ("unrestrict", lambda site, page, _rng: site.unrestrict(page, "read", user=site.people[1])),
    ("permission", _permission),
)  # fmt: skip


def one_change(site: SiteChanges, rng: random.Random) -> str:
    """Make one; its name."""
    with site.lock:
        pages = [number for number, one in site.content.items() if one.status == "current"]
        name, change = rng.choice(_CHANGES)
        change(site, str(rng.choice(pages)), rng)
        return name
