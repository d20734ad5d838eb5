"""What a sender is answered: repeats, other bytes, refusals to act upon, held items, all or nothing."""

import asyncio
import hashlib
from copy import deepcopy
from uuid import uuid4

import pytest_asyncio
from lxml import etree

from app.client.packaging import NAMESPACE
from app.client.receipts import read_receipt
from app.main import create_worker
from tests.builders.world import World

Q = f"{{{NAMESPACE}}}"
LEVEL = "03"


@pytest_asyncio.fixture(loop_scope="session")
async def enrolled(world: World) -> World:
    await world.enrol(world.school(LEVEL))
    await world.work()
    return world


def tampered(transcript: etree._Element) -> etree._Element:
    """One character of one mark changed after signing."""
    forged = deepcopy(transcript)
    mark = next(m for m in forged.iter(f"{Q}CaNam") if m.text and m.text[0].isdigit())
    assert mark.text
    mark.text = ("8" if mark.text[0] != "8" else "9") + mark.text[1:]
    return forged


async def test_the_same_package_again_gives_the_same_acknowledgement(enrolled: World) -> None:
    package = enrolled.package(enrolled.school(LEVEL))
    first = await enrolled.post(package)
    again = await enrolled.post(package)
    assert (first.status_code, again.status_code) == (202, 200)
    for name in ("acknowledgement", "received_at", "sha256", "package_id"):
        assert first.json()[name] == again.json()[name]
    assert await enrolled.work() == 1


async def test_json_and_raw_gzip_are_one_package(enrolled: World) -> None:
    import base64

    package = enrolled.package(enrolled.school(LEVEL))
    body = {**package.outer_fields, "payload": base64.b64encode(package.gzipped).decode()}
    sent = await enrolled.http.post("/api/v1/packages", json=body, headers=enrolled.as_(package.school_code))
    assert sent.status_code == 202, sent.text
    assert (await enrolled.post(package)).status_code == 200
    payload = await enrolled.http.get(
        f"/api/v1/packages/{package.package_id}/payload", headers=enrolled.as_(package.school_code)
    )
    assert payload.content == package.gzipped


async def test_other_bytes_under_the_same_id_are_refused_with_both_digests(enrolled: World) -> None:
    school, chosen = enrolled.school(LEVEL), uuid4()
    first = enrolled.package(school, id_=chosen)
    other = enrolled.package(school, enrolled.signed(school)[:1], id_=chosen)
    await enrolled.post(first)
    refused = await enrolled.post(other)
    assert refused.status_code == 409
    assert refused.json()["code"] == "TR-010"
    assert refused.json()["facts"]["held_sha256"] == first.digest
    assert refused.json()["facts"]["sent_sha256"] == other.digest


async def test_two_requests_at_once_store_one_package(enrolled: World) -> None:
    package = enrolled.package(enrolled.school(LEVEL))
    answers = await asyncio.gather(*(enrolled.post(package) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 202]
    assert len({answer.json()["acknowledgement"] for answer in answers}) == 1
    assert await enrolled.work() == 1


async def test_a_changed_mark_is_refused_with_the_reference_that_failed(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    good, *rest = enrolled.signed(school)
    result = await enrolled.send(school, enrolled.package(school, [tampered(good), *rest]))
    assert (result["rejected"], result["accepted"]) == (1, len(rest))
    refused = result["items"][0]
    codes = {finding["code"] for finding in refused["findings"]}
    assert any(code.startswith("KS-") for code in codes)
    seal = next(f for f in refused["findings"] if f["code"] == "KS-017")
    assert seal["xpath"].startswith("/GoiHocBa/HocBa[1]/DanhSachChuKy/ChuKy[")
    assert seal["facts"]["stated"] != seal["facts"]["computed"]
    assert seal["message_vi"]
    assert seal["hint"]
    jwks = (await enrolled.http.get("/.well-known/jwks.json")).json()
    signed_refusal = read_receipt(refused["receipt"], jwks).claims
    assert signed_refusal["outcome"] == "rejected"
    assert set(signed_refusal["codes"]) == codes
    record = await enrolled.http.get(
        f"/api/v1/records/{refused['record_id']}", headers=enrolled.as_(school.code)
    )
    assert record.status_code == 404
    only = await enrolled.read(result["package_id"], caller=school.code, outcome="rejected")
    assert [item["position"] for item in only["items"]] == [1]


async def test_a_pending_seal_holds_and_approval_settles_by_itself(world: World) -> None:
    school = world.school(LEVEL)
    await world.approve(school, await world.register(school, "THU_TRUONG", school.head.credential))
    seal = await world.register(school, "NHA_TRUONG", school.seal)
    package = world.package(school)
    held = await world.send(school, package)
    assert held["held"] == held["total"] > 0
    assert {f["code"] for f in held["items"][0]["findings"]} >= {"KS-044"}
    assert held["items"][0]["receipt"] is None

    await world.approve(school, seal)
    await world.work()
    settled = await world.read(package.package_id, caller=school.code)
    assert settled["accepted"] == settled["total"]
    assert settled["items"][0]["receipt"]
    assert "KS-044" not in {f["code"] for f in settled["items"][0]["findings"]}


async def test_two_decisions_at_once_have_a_package_judged_anew_once(world: World) -> None:
    school = world.school(LEVEL)
    seal = await world.register(school, "NHA_TRUONG", school.seal)
    head = await world.register(school, "THU_TRUONG", school.head.credential)
    package = world.package(school)
    assert (await world.send(school, package))["held"]
    await world.approve(school, head)
    await world.approve(school, seal)
    assert await world.work() == 2 + 1  # each decision looks for what is held; the package is queued once
    settled = await world.read(package.package_id, caller=school.code)
    assert settled["accepted"] == settled["total"]


async def test_a_rejected_seal_settles_held_items_as_refused(world: World) -> None:
    school = world.school(LEVEL)
    await world.approve(school, await world.register(school, "THU_TRUONG", school.head.credential))
    seal = await world.register(school, "NHA_TRUONG", school.seal)
    package = world.package(school)
    assert (await world.send(school, package))["held"]
    answer = await world.http.post(
        f"/api/v1/certificates/{seal}/reject",
        json={"reason": "Chứng thư số không phải của trường"},
        headers=world.as_(world.authority_of(school)),
    )
    assert answer.status_code == 200, answer.text
    await world.work()
    settled = await world.read(package.package_id, caller=school.code)
    assert settled["rejected"] == settled["total"]


async def test_an_unregistered_seal_is_refused(world: World) -> None:
    school = world.school(LEVEL)
    result = await world.send(school, world.package(school))
    assert result["rejected"] == result["total"]
    assert "KS-042" in {f["code"] for f in result["items"][0]["findings"]}


async def test_the_same_transcripts_in_another_package_are_already_recorded(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    transcripts = enrolled.signed(school)
    first = await enrolled.send(school, enrolled.package(school, transcripts))
    again = await enrolled.send(school, enrolled.package(school, transcripts))
    assert again["accepted"] == first["accepted"] == len(transcripts)
    for before, after in zip(first["items"], again["items"], strict=True):
        assert after["already_recorded"]
        assert not before["already_recorded"]
        assert after["receipt"] == before["receipt"]


async def test_a_second_transcript_of_the_same_pupil_and_year_is_refused(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    first = await enrolled.send(school, enrolled.package(school))
    second = await enrolled.send(school, enrolled.package(school, enrolled.signed(school, seed=7)))
    assert second["rejected"] == second["total"]
    finding = next(f for f in second["items"][0]["findings"] if f["code"] == "TR-013")
    assert finding["facts"]["record_id"] == first["items"][0]["record_id"]


async def test_all_or_nothing_records_nothing_when_one_is_refused(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    good, *rest = enrolled.signed(school)
    package = enrolled.package(school, [tampered(good), *rest])
    result = await enrolled.send(school, package, atomic=True)
    assert result["rejected"] == result["total"]
    assert {f["code"] for f in result["items"][1]["findings"]} >= {"TR-016"}
    fine = await enrolled.send(school, enrolled.package(school), atomic=True)
    assert fine["accepted"] == fine["total"]


async def test_prefer_wait_gives_the_result_when_it_is_there(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    package = enrolled.package(school)

    worker = create_worker(enrolled.service)
    working = asyncio.create_task(worker.run())
    answer = await enrolled.post(package, Prefer="wait=20")
    worker.stop()
    await working
    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert answer.json()["result"]["accepted"] == answer.json()["result"]["total"]
    unread = await enrolled.post(enrolled.package(school, enrolled.signed(school, seed=9)), Prefer="wait=0")
    assert unread.status_code == 202


async def test_a_digest_tells_the_same_before_and_after_the_answer(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    package = enrolled.package(school)
    address = f"/api/v1/digests/{package.digest}"
    caller = enrolled.as_(school.code)
    assert not (await enrolled.http.get(address, headers=caller)).json()["is_known"]
    result = await enrolled.send(school, package)
    known = (await enrolled.http.get(address, headers=caller)).json()
    assert known["places"][0]["package_id"] == package.package_id
    content = result["items"][0]["content_sha256"]
    item = (await enrolled.http.get(f"/api/v1/digests/{content}", headers=caller)).json()["places"][0]
    assert item["record_id"] == result["items"][0]["record_id"]


async def test_a_trial_stores_nothing(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    good, *rest = enrolled.signed(school)
    package = enrolled.package(school, [tampered(good), *rest])
    tried = await enrolled.http.post(
        "/api/v1/validations",
        params=package.outer_fields,
        content=package.gzipped,
        headers={"Content-Type": "application/gzip", **enrolled.as_(school.code)},
    )
    assert tried.status_code == 200, tried.text
    assert (tried.json()["accepted"], tried.json()["rejected"]) == (len(rest), 1)
    known = await enrolled.http.get(f"/api/v1/digests/{package.digest}", headers=enrolled.as_(school.code))
    assert not known.json()["is_known"]
    assert await enrolled.work() == 0


async def test_stored_xml_is_what_was_signed_and_its_digest_is_told(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    result = await enrolled.send(school, enrolled.package(school))
    assert len(result["items"]) > 1
    for item in result["items"]:
        record_id = item["record_id"]
        xml = await enrolled.http.get(f"/api/v1/records/{record_id}/xml", headers=enrolled.as_(school.code))
        head = await enrolled.http.get(f"/api/v1/records/{record_id}", headers=enrolled.as_(school.code))
        assert hashlib.sha256(xml.content).hexdigest() == head.json()["xml_sha256"]
        content = etree.fromstring(xml.content)[0]
        assert content.findtext("{*}MaTraCuu") == record_id
        canonical = etree.tostring(content, method="c14n", exclusive=True)
        assert hashlib.sha256(canonical).hexdigest() == head.json()["content_sha256"]


async def test_a_replacement_takes_the_place_of_the_old_record(enrolled: World) -> None:
    from app.demo.transcripts import compose_school, sign_composed
    from tests.builders.world import SIGNED

    school = enrolled.school(LEVEL)
    first = await enrolled.send(school, enrolled.package(school))
    old = first["items"][0]["record_id"]
    composed = compose_school(enrolled.province, school, signed_at=SIGNED, seed=7)[0]
    code = next(composed.element.iter(f"{Q}MaTraCuu"))
    replaces = etree.SubElement(code.getparent(), f"{Q}ThayThe")  # type: ignore[arg-type]
    replaces.text = old
    code.addnext(replaces)
    result = await enrolled.send(
        school, enrolled.package(school, [sign_composed(composed, signed_at=SIGNED)])
    )
    assert result["accepted"] == 1, result["items"][0]["findings"]
    caller = enrolled.as_(school.code)
    before = (await enrolled.http.get(f"/api/v1/records/{old}", headers=caller)).json()
    assert before["status"] == "replaced"
    replaced = next(event for event in before["events"] if event["kind"] == "replaced")
    assert replaced["facts"]["by"] == result["items"][0]["record_id"]
    assert (await enrolled.http.get(f"/api/v1/records/{old}/xml", headers=caller)).status_code == 200


async def test_the_first_reading_of_a_reply_is_noted_for_the_sender_alone(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    package = enrolled.package(school)
    await enrolled.post(package)
    await enrolled.work()
    officer = enrolled.authority_of(school)
    assert (await enrolled.read(package.package_id, caller=officer))["reply_read_at"] is None
    await enrolled.read(package.package_id, caller=school.code)
    assert (await enrolled.read(package.package_id, caller=officer))["reply_read_at"] is not None


async def test_others_see_nothing(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    package = enrolled.package(school)
    result = await enrolled.send(school, package)
    record_id = result["items"][0]["record_id"]
    stranger = enrolled.as_("phan-mem-ea-kar")
    other_commune = enrolled.as_("canbo.eakar")
    for caller in (stranger, other_commune, enrolled.as_("quantri")):
        for path in (f"packages/{package.package_id}", f"records/{record_id}", f"records/{record_id}/xml"):
            answer = await enrolled.http.get(f"/api/v1/{path}", headers=caller)
            assert answer.status_code in {403, 404}, path
    assert (await enrolled.http.get(f"/api/v1/records/{record_id}")).status_code == 401


async def test_everything_that_is_wrong_is_told_at_once(enrolled: World) -> None:
    """A rule broken, a mark changed after signing, and a transcript that stands twice: one answer for all."""
    school = enrolled.school(LEVEL)
    good, *rest = enrolled.signed(school)
    broken = tampered(good)
    subject = next(broken.iter(f"{Q}Ma"))
    subject.text = "777"
    result = await enrolled.send(school, enrolled.package(school, [broken, *rest, rest[0]]))
    first, *others, last = result["items"]
    families = {finding["code"][:2] for finding in first["findings"] if finding["severity"] == "error"}
    assert families >= {"MA", "KS"}
    assert first["record_id"]
    assert first["content_sha256"]
    assert {item["outcome"] for item in others} == {"accepted"}
    assert [f["code"] for f in last["findings"] if f["code"].startswith("TR")] == ["TR-001"]
