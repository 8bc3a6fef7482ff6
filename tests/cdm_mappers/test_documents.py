from __future__ import annotations

import json

import polars as pl
import pytest

from cdm_mappers.columns import ANY_MODEL
from cdm_mappers.doc import BODY_CHARACTERS
from cdm_mappers.models import MODELS, model_of
from cdm_mappers.registry import BUILT_IN, CdmMapperRegistry
from cdm_mappers.row import SourceRow
from contracts.mapping import MapContext
from tests.cdm_mappers.documents import AT, SPECS, dataset_of, row_of
from tests.conformance.mapper_suite import BEGAN, MapperSuite

MODEL_OF = {key.unit_kind: key.cdm_model_id for key in BUILT_IN}


class Documents(MapperSuite):
    """The mapper suite over three full rows and one that has nothing but its key."""

    kind: str

    def __init_subclass__(cls) -> None:
        cls.model, cls.dataset = model_of(MODEL_OF[cls.kind]), dataset_of(cls.kind)
        cls.mapper = staticmethod(CdmMapperRegistry().find("http", cls.kind, MODEL_OF[cls.kind]))

    @pytest.fixture
    def rows(self):
        return [*(row_of(self.kind, f"d:{number}") for number in range(3)), {"id": "d:9"}]

    def test_no_text_is_in_what_identifies_it(self, rows):
        made = self.mapped(self.frame(rows))
        held = [made[name] for name in ("raw_source", "properties") if name in made.columns]
        for text in [text for column in held for text in column if text is not None]:
            assert not {"body", "body_text", "raw", "download_url"} & set(json.loads(text))


def suite_of(kind: str) -> type[Documents]:
    return type("Test" + "".join(part.title() for part in kind.split(".")), (Documents,), {"kind": kind})


for each in SPECS:
    made = suite_of(each)
    globals()[made.__name__] = made
del made


def mapped(unit, *rows):
    """Rows of a unit as rows of its model, by name."""
    dataset = dataset_of(unit)
    context = MapContext(endpoint_id="e", dataset=dataset, ingested_at=BEGAN)
    mapper = CdmMapperRegistry().find("http", unit, MODEL_OF[unit])
    return (
        mapper(pl.LazyFrame([row_of(unit, row.pop("identity"), **row) for row in rows]), context).collect().to_dicts()
    )


def test_a_page_is_an_item():
    (page,) = mapped(
        "confluence.page",
        {"identity": "11", "space_id": "3", "parent_id": "5", "author_id": "u", "type": "blogpost", "body_text": "b"},
    )
    assert page["cdm_id"] == "cdm:doc:item:confluence:11"
    assert page["space_cdm_id"] == "cdm:doc:space:confluence:3"
    assert page["parent_item_cdm_id"] == "cdm:doc:item:confluence:5"
    assert page["created_by_cdm_id"] == "cdm:work:user:confluence:u", "the same person as in the work family"
    assert (page["doc_type"], page["path"], page["mime_type"], page["size_bytes"]) == ("blogpost", None, None, None)
    assert (page["revision_number"], page["updated_at"], page["tags"]) == (7, AT, '["a","b"]')
    properties = json.loads(page["properties"])
    assert (properties["position"], properties["minor_edit"]) == (7, True), "numbers and truths stay what they are"
    assert properties["version_message"] == 'version_message "é" 11'
    assert "body_text_cut" not in properties


@pytest.mark.parametrize(("length", "cut"), [(BODY_CHARACTERS, False), (BODY_CHARACTERS + 1, True)])
def test_a_long_body_is_cut_between_characters_and_says_so(length, cut):
    text = "x😀" * (length // 2) + "é" * (length % 2)
    (page,) = mapped("confluence.page", {"identity": "1", "body_text": text})
    assert page["body_text"] == text[:BODY_CHARACTERS]
    assert json.loads(page["properties"]).get("body_text_cut", False) is cut


def test_an_attachment_is_an_item_of_its_container():
    (file,) = mapped("confluence.attachment", {"identity": "att1", "container_id": "11", "media_type": "image/png"})
    assert (file["cdm_id"], file["parent_item_cdm_id"]) == (
        "cdm:doc:item:confluence:att1", "cdm:doc:item:confluence:11",
    )  # fmt: skip
    assert (file["doc_type"], file["mime_type"], file["size_bytes"]) == ("attachment", "image/png", 7)


@pytest.mark.parametrize(
    ("kind", "row", "target"),
    [
        ("issue", {"target": "AND-1"}, "cdm:work:item:confluence:AND-1"),
        ("user", {"target": "acc:1"}, "cdm:work:user:confluence:acc:1"),
        ("page", {"target_id": "12"}, "cdm:doc:item:confluence:12"),
        ("page", {"target_id": None, "target": "DEV:Home"}, None),
        ("attachment", {"target_id": None}, None),
        ("external", {"target": "https://a.example/"}, None),
        ("space", {}, None),
        (None, {}, None),
    ],
)
def test_the_target_of_a_link(kind, row, target):
    (link,) = mapped("confluence.link", {"identity": "1:h", "kind": kind, "content_id": "1", **row})
    assert (link["item_cdm_id"], link["kind"], link["target_cdm_id"]) == ("cdm:doc:item:confluence:1", kind, target)
    assert link["target_text"] == row.get("target", 'target "é" 1:h')


def test_who_may_read():
    user, group = mapped(
        "confluence.acl",
        {"identity": "1", "scope": "content", "principal_type": "user", "principal_id": "u"},
        {"identity": "2", "scope": "space", "principal_type": "group", "principal_id": "g", "content_id": None},
    )
    assert (user["scope"], user["principal_cdm_id"]) == ("item", "cdm:work:user:confluence:u")
    assert (group["scope"], group["principal_cdm_id"], group["item_cdm_id"]) == ("space", None, None)
    shared, own = mapped(
        "onedrive.permission",
        {"identity": "d:i:p", "drive_id": "d", "item_id": "i", "principal_type": "link"},
        {"identity": "d:i:q", "drive_id": "d", "item_id": "i", "inherited_from_id": None},
    )
    assert (shared["item_cdm_id"], shared["principal_cdm_id"]) == ("cdm:doc:item:onedrive:d:i", None)
    assert (shared["inherited"], own["inherited"], shared["roles"]) == (True, None, '["a","b"]')


def test_a_file_is_an_item_and_its_versions_are_revisions():
    (file,) = mapped("onedrive.item", {"identity": "d:i", "drive_id": "d", "item_id": "i", "parent_id": "p"})
    (version,) = mapped("onedrive.version", {"identity": "d:i:2.0", "drive_id": "d", "item_id": "i"})
    assert file["cdm_id"] == version["item_cdm_id"] == "cdm:doc:item:onedrive:d:i"
    assert (file["space_cdm_id"], file["parent_item_cdm_id"]) == (
        "cdm:doc:space:onedrive:d", "cdm:doc:item:onedrive:d:p",
    )  # fmt: skip
    (root,) = mapped("onedrive.item", {"identity": "d:r", "drive_id": "d", "parent_id": None})
    assert root["parent_item_cdm_id"] is None
    assert (version["cdm_id"], version["number"]) == ("cdm:doc:revision:onedrive:d:i:2.0", None)


def test_a_comment_has_what_a_comment_on_work_has():
    work, doc = MODELS["cdm.work.comment"].columns, MODELS["cdm.doc.comment"].columns
    assert [column.name for column in work] == [one.name for one in doc if one.name in {each.name for each in work}]


def test_a_column_the_model_lacks_is_refused():
    row = SourceRow(pl.LazyFrame({"id": ["1"]}), MapContext(endpoint_id="e", dataset=dataset_of("confluence.page"), ingested_at=BEGAN), "doc")  # fmt: skip
    with pytest.raises(KeyError, match="titel"):
        row.mapped("cdm.doc.item", {"titel": row["id"]})


def test_only_a_link_may_point_into_any_family():
    anywhere = [(model.model_id, one.name) for model in MODELS.values() for one in model.columns if one.references == ANY_MODEL]  # fmt: skip
    assert anywhere == [("cdm.doc.link", "target_cdm_id")]
