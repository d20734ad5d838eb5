"""What the ministry holds, by look-up code: the very octets, the receipt, the snapshots that state it."""

from uuid import uuid4

from app.client.receipts import check_transcript, read_receipt
from app.snapshots.reading import manifest_pages
from tests.builders.tiers import Nation, seal_upstream


async def test_a_copy_is_given_back_as_it_was_signed(nation: Nation) -> None:
    found = await seal_upstream(nation.world)
    await nation.forward()
    engine = nation.world.service.engine
    line, *_ = [one async for page in manifest_pages(engine, found.id) for one in page]
    address = f"/api/v1/forwarded-records/{line.record_id.hex}"
    copy = (await nation.http.get(address, headers=nation.as_("bogddt"))).json()
    assert (copy["province"], copy["school_code"]) == ("66", line.school_code)
    assert copy["xml_sha256"] == line.xml_sha256.hex()
    assert [(one["snapshot_id"], one["status"]) for one in copy["stated_in"]] == [(found.id.hex, line.status)]
    assert {one["indication"] for one in copy["signatures"]} == {"passed"}
    theirs = (await nation.http.get(f"{address}/xml", headers=nation.as_("bogddt"))).content
    ours = await nation.world.http.get(
        f"/api/v1/records/{line.record_id.hex}/xml", headers=nation.world.as_("canbo.sogddt")
    )
    assert theirs == ours.content
    receipt = read_receipt(copy["receipt"], {"keys": list(nation.world.service.keys.public())})
    check_transcript(receipt, theirs)


async def test_what_is_not_held_is_not_there(nation: Nation) -> None:
    for path in ("", "/xml"):
        answer = await nation.http.get(
            f"/api/v1/forwarded-records/{uuid4().hex}{path}", headers=nation.as_("bogddt")
        )
        assert (answer.status_code, answer.json()["code"]) == (404, "QH-005")
