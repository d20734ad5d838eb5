"""Certificates over HTTP: registered by schools, decided by the competent authority, seen in scope only."""

import base64
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from sqlalchemy import select

from app.audit import AuditTag, audit_event
from app.db import transaction
from app.jobs import job
from app.verify.certificates.anchors import AnchorKind, add_anchor
from app.verify.certificates.registry import entries_for
from app.verify.certificates.standing import CertificateState
from app.verify.chain import OwnerClass
from tests.api.conftest import Api, refusal
from tests.builders.enrolment import enrol, pem, registration, sign_possession
from tests.builders.pki import Holder, infrastructure, issue, private_key
from tests.builders.province import CONTINUING, NOW, OTHER_PRIMARY, PRIMARY, SECONDARY, UPPER

LISTING = "/api/v1/certificates"


def seal(number: int = 1, kind: str = "p256") -> Holder:
    return issue(f"Con dấu {number}", private_key(kind, 100 + number), infrastructure().authority)


async def challenge(api: Api, school_code: str = PRIMARY, caller: str = "vendor") -> dict[str, str]:
    answer = await api.call(caller, "POST", f"{LISTING}/challenges", json={"school_code": school_code})
    assert answer.status_code == 201
    body: dict[str, str] = answer.json()
    return body


async def enrolled(api: Api, holder: Holder, school_code: str = PRIMARY, role: str = "NHA_TRUONG") -> str:
    return await enrol(api.http, await api.token("vendor"), holder, school_code, role)


@pytest.mark.parametrize(
    ("kind", "algorithm", "is_raw"),
    [
        ("rsa2048", "RS256", False),
        ("rsa2048", "PS256", False),
        ("p256", "ES256", False),
        ("p256", "ES256", True),
        ("p384", "ES384", True),
        ("p521", "ES512", False),
        ("p521", "ES512", True),
    ],
)
async def test_every_kind_of_key_proves_its_possession(
    api: Api, *, kind: str, algorithm: str, is_raw: bool
) -> None:
    holder = seal(kind=kind)
    opened = await challenge(api)
    signature = sign_possession(holder.key, opened["nonce"], algorithm, is_raw=is_raw)
    proof = {
        "challenge_id": opened["challenge_id"],
        "signature": base64.b64encode(signature).decode(),
        "algorithm": algorithm,
    }
    answer = await api.call(
        "vendor",
        "POST",
        LISTING,
        json=registration(seal(), opened, PRIMARY) | {"certificate": pem(holder.certificate), "proof": proof},
    )
    assert answer.status_code == 201
    body = answer.json()
    assert (body["state"], body["school_code"], body["role"]) == ("pending", PRIMARY, "NHA_TRUONG")
    assert body["fingerprint"] == holder.fingerprint


async def test_der_in_base64_is_taken_too(api: Api) -> None:
    holder, opened = seal(), await challenge(api)
    der = base64.b64encode(holder.certificate.public_bytes(serialization.Encoding.DER)).decode()
    body = registration(holder, opened, PRIMARY) | {"certificate": der}
    assert (await api.call("vendor", "POST", LISTING, json=body)).status_code == 201


async def test_a_proof_that_does_not_hold_is_refused(api: Api) -> None:
    holder, other = seal(1), seal(2)
    opened = await challenge(api)
    good = registration(holder, opened, PRIMARY)
    proof = good["proof"]
    assert isinstance(proof, dict)
    rsa = issue("RSA", private_key("rsa2048", 9), infrastructure().authority)
    cases = [
        (good | {"certificate": pem(other.certificate)}, 422, "QH-027"),
        (good | {"proof": proof | {"signature": "AAAA"}}, 422, "QH-027"),
        (good | {"proof": proof | {"signature": "%%%"}}, 422, "QH-027"),
        (good | {"proof": proof | {"signature": base64.b64encode(bytes(64)).decode()}}, 422, "QH-027"),
        (good | {"proof": proof | {"algorithm": "ES384"}}, 422, "QH-028"),
        (good | {"proof": proof | {"algorithm": "RS256"}}, 422, "QH-028"),
        (good | {"proof": proof | {"algorithm": "none"}}, 422, "QH-028"),
        (good | {"proof": proof | {"algorithm": "HS256"}}, 422, "QH-028"),
        (good | {"certificate": pem(rsa.certificate)}, 422, "QH-028"),
        (good | {"proof": proof | {"challenge_id": "0" * 32}}, 422, "QH-026"),
        (good | {"proof": proof | {"challenge_id": "x"}}, 422, "DD-901"),
        (good | {"school_code": SECONDARY}, 422, "QH-026"),
        (good | {"school_code": OTHER_PRIMARY}, 403, "QH-004"),
        (good | {"school_code": "66A0009999"}, 403, "QH-004"),
        (good | {"role": "GVCN"}, 422, "DD-901"),
        (good | {"state": "approved"}, 422, "DD-901"),
        (good | {"certificate": "not a certificate"}, 422, "QH-025"),
        (good | {"certificate": pem(holder.certificate) * 2}, 422, "QH-025"),
        (good | {"certificate": holder.pem.decode() + pem(holder.certificate)}, 422, "QH-030"),
        (good | {"renews": "0" * 32}, 422, "QH-033"),
    ]
    for body, status, code in cases:
        assert refusal(await api.call("vendor", "POST", LISTING, json=body)) == (status, code)
    # A refused attempt leaves the challenge as it was; a successful one uses it up.
    assert (await api.call("vendor", "POST", LISTING, json=good)).status_code == 201
    assert refusal(await api.call("vendor", "POST", LISTING, json=good)) == (422, "QH-026")


async def test_a_challenge_lasts_ten_minutes(api: Api) -> None:
    opened = await challenge(api)
    api.clock.advance(timedelta(minutes=10))
    body = registration(seal(), opened, PRIMARY)
    assert refusal(await api.call("vendor", "POST", LISTING, json=body)) == (422, "QH-026")


async def test_a_certificate_stands_once_for_a_school_and_role_unless_rejected(api: Api) -> None:
    first = await enrolled(api, seal())
    again = registration(seal(), await challenge(api), PRIMARY)
    assert refusal(await api.call("vendor", "POST", LISTING, json=again)) == (409, "QH-029")
    rejected = await api.call("tanlap", "POST", f"{LISTING}/{first}/reject", json={"reason": "Sai tên"})
    assert rejected.json()["state"] == "rejected"
    assert await enrolled(api, seal()) != first
    renewed = registration(seal(3), await challenge(api), PRIMARY) | {"renews": first}
    answer = await api.call("vendor", "POST", LISTING, json=renewed)
    assert answer.json()["renews"] == first


# What an officer tries, in this order, and what comes of it.
LIFE: list[tuple[str, dict[str, str] | None, int, str]] = [
    ("suspend", {"reason": "x"}, 409, "QH-024"),
    ("reinstate", {}, 409, "QH-024"),
    ("revoke", {"reason": "x"}, 409, "QH-024"),
    ("approve", None, 200, "approved"),
    ("approve", None, 409, "QH-024"),
    ("reject", {"reason": "x"}, 409, "QH-024"),
    ("suspend", {"reason": "  "}, 422, "QH-023"),
    ("suspend", {"reason": "Nghi lộ khoá"}, 200, "suspended"),
    ("reinstate", {"reason": "Đã kiểm tra"}, 200, "approved"),
    ("revoke", {}, 422, "QH-023"),
    ("revoke", {"reason_code": "certificateHold"}, 422, "DD-901"),
    (
        "revoke",
        {"reason_code": "keyCompromise", "effective_at": "2026-05-01T00:00:00+07:00"},
        200,
        "revoked",
    ),
    ("reinstate", {}, 409, "QH-024"),
    ("approve", {}, 409, "QH-024"),
]


async def test_the_authority_decides_through_the_whole_life(api: Api) -> None:
    one = await enrolled(api, seal())
    path = f"{LISTING}/{one}"
    for action, body, status, outcome in LIFE:
        api.clock.advance(timedelta(minutes=1))
        answer = await api.call("tanlap", "POST", f"{path}/{action}", json=body)
        if status == 200:
            assert (answer.status_code, answer.json()["state"]) == (200, outcome)
        else:
            assert refusal(answer) == (status, outcome)
    shown = (await api.call("vendor", "GET", path)).json()
    assert [line["target"] for line in shown["history"]] == [
        "pending",
        "approved",
        "suspended",
        "approved",
        "revoked",
    ]
    assert shown["history"][-1]["reason_code"] == "keyCompromise"
    assert shown["history"][-1]["effective_at"].startswith("2026-04-30T17:00:00")
    async with transaction(api.service.engine) as connection:
        (entry,) = (await entries_for(connection, [seal().fingerprint, "0" * 64]))[seal().fingerprint]
        tags = [
            row.facts["action"]
            for row in await connection.execute(
                select(audit_event)
                .where(audit_event.c.tag == AuditTag.CERTIFICATE_DECIDED)
                .order_by(audit_event.c.at)
            )
        ]
    assert entry.state is CertificateState.REVOKED
    assert entry.school_code == PRIMARY
    assert tags == ["approve", "suspend", "reinstate", "revoke"]


@pytest.mark.parametrize(
    ("school", "officer", "outcome"),
    [
        (PRIMARY, "tanlap", (200, "approved")),
        (PRIMARY, "eakao", (404, "QH-005")),  # another commune's school does not exist for them
        (PRIMARY, "so37", (404, "QH-005")),
        (PRIMARY, "so66", (403, "QH-021")),  # sees it, does not manage it
        (UPPER, "so66", (200, "approved")),
        (UPPER, "tanlap", (404, "QH-005")),  # stands on its ground, is the department's
        (CONTINUING, "so66", (200, "approved")),
        (PRIMARY, "bogddt", (403, "QH-003")),
        (PRIMARY, "thanhtra66", (403, "QH-003")),
        (PRIMARY, "quantri", (403, "QH-003")),
        (PRIMARY, "vendor", (403, "QH-003")),
    ],
)
async def test_only_the_competent_authority_decides(
    api: Api, *, school: str, officer: str, outcome: tuple[int, str]
) -> None:
    one = await enrolled(api, seal(), school)
    answer = await api.call(officer, "POST", f"{LISTING}/{one}/approve")
    if outcome[0] == 200:
        assert (answer.status_code, answer.json()["state"]) == outcome
    else:
        assert refusal(answer) == outcome


async def test_out_of_scope_is_answered_like_unknown(api: Api) -> None:
    one = await enrolled(api, seal())
    bodies = []
    for certificate_id in (one, "0" * 32, "nonsense"):
        for caller in ("rival", "eakao", "so37"):
            answer = await api.call(caller, "GET", f"{LISTING}/{certificate_id}")
            assert refusal(answer) == (404, "QH-005")
            bodies.append({k: v for k, v in answer.json().items() if k != "reference"})
    assert all(body == bodies[0] for body in bodies)
    assert refusal(await api.call("quantri", "GET", LISTING)) == (403, "QH-003")
    assert refusal(await api.http.get(LISTING)) == (401, "QH-001")


async def test_lists_show_only_what_is_in_scope(api: Api) -> None:
    mine = await enrolled(api, seal(1), PRIMARY)
    upper = await enrolled(api, seal(2), UPPER)
    theirs = await enrol(api.http, await api.token("rival"), seal(3), OTHER_PRIMARY)
    expected = {
        "vendor": [mine, upper],
        "rival": [theirs],
        "tanlap": [mine],
        "eakao": [theirs],
        "so66": [mine, upper, theirs],
        "so37": [],
        "bogddt": [mine, upper, theirs],
        "thanhtra66": [mine, upper, theirs],
    }
    for caller, ids in expected.items():
        page = (await api.call(caller, "GET", LISTING)).json()
        assert sorted(row["certificate_id"] for row in page["items"]) == sorted(ids), caller
        assert page["next_cursor"] is None


async def test_lists_are_filtered_and_paged(api: Api) -> None:
    ids = []
    for number in range(3):
        ids.append(await enrolled(api, seal(number)))
        api.clock.advance(timedelta(seconds=1))
    await api.call("tanlap", "POST", f"{LISTING}/{ids[1]}/approve")
    pending = (await api.call("tanlap", "GET", f"{LISTING}?status=pending")).json()
    assert [row["certificate_id"] for row in pending["items"]] == [ids[0], ids[2]]
    assert refusal(await api.call("tanlap", "GET", f"{LISTING}?status=expired")) == (422, "DD-901")
    assert (await api.call("tanlap", "GET", f"{LISTING}?school_code={SECONDARY}")).json()["items"] == []
    first = (await api.call("tanlap", "GET", f"{LISTING}?limit=2")).json()
    rest = (await api.call("tanlap", "GET", f"{LISTING}?limit=2&cursor={first['next_cursor']}")).json()
    assert [row["certificate_id"] for row in first["items"] + rest["items"]] == ids
    assert rest["next_cursor"] is None
    assert refusal(await api.call("tanlap", "GET", f"{LISTING}?cursor=abc")) == (400, "DD-903")


async def test_many_are_decided_at_once_each_for_itself(api: Api) -> None:
    mine = [await enrolled(api, seal(number)) for number in (1, 2)]
    theirs = await enrol(api.http, await api.token("rival"), seal(3), OTHER_PRIMARY)
    body = {"certificate_ids": [mine[1], theirs, mine[0], mine[1]], "action": "approve"}
    answer = await api.call("tanlap", "POST", f"{LISTING}/decisions", json=body)
    results = answer.json()["results"]
    assert answer.status_code == 200
    assert [(row["certificate_id"], row["state"]) for row in results] == [
        (mine[1], "approved"),
        (theirs, None),
        (mine[0], "approved"),
        (mine[1], "approved"),
    ]
    assert results[1]["problem"]["code"] == "QH-005"
    missing = {"certificate_ids": [mine[0]], "action": "revoke"}
    answer = await api.call("tanlap", "POST", f"{LISTING}/decisions", json=missing)
    assert answer.json()["results"][0]["problem"]["code"] == "QH-023"
    assert refusal(await api.call("vendor", "POST", f"{LISTING}/decisions", json=missing)) == (403, "QH-003")


async def test_an_answer_about_a_certificate_settles_what_waits_for_it(api: Api) -> None:
    ids = [await enrolled(api, seal(number)) for number in (1, 2)]
    await api.call("tanlap", "POST", f"{LISTING}/{ids[0]}/approve")
    await api.call("tanlap", "POST", f"{LISTING}/{ids[1]}/reject", json={"reason": "Không đúng con dấu"})
    async with transaction(api.service.engine) as connection:
        jobs = (await connection.execute(select(job.c.kind, job.c.school_id))).all()
    assert [tuple(row) for row in jobs] == [("settle_held", api.province.ids[PRIMARY])] * 2


async def test_the_officer_sees_the_automatic_checks(api: Api) -> None:
    people = infrastructure()
    quantri = api.province.officers["quantri"]
    async with transaction(api.service.engine) as connection:
        for holder, owner, kind in (
            (people.root, OwnerClass.PUBLIC_SECTOR, AnchorKind.ANCHOR),
            (people.authority, OwnerClass.PUBLIC_SECTOR, AnchorKind.INTERMEDIATE),
            (people.public_root, OwnerClass.LICENSED_PUBLIC, AnchorKind.ANCHOR),
            (people.public_authority, OwnerClass.LICENSED_PUBLIC, AnchorKind.INTERMEDIATE),
        ):
            await add_anchor(
                connection, holder.certificate, owner_class=owner, kind=kind, now=NOW, actor=quantri
            )
    good = await enrolled(api, seal(1))
    shared = await enrolled(api, seal(1), SECONDARY)
    commercial = await enrolled(
        api, issue("Con dấu", private_key("p256", 50), people.public_authority), SECONDARY
    )

    async def checks(certificate_id: str) -> dict[str, tuple[str, str | None]]:
        body = (await api.call("tanlap", "GET", f"{LISTING}/{certificate_id}")).json()
        assert body["pem"].startswith("-----BEGIN CERTIFICATE-----")
        return {row["name"]: (row["indication"], row["code"]) for row in body["checks"]}

    passed = ("passed", None)
    assert await checks(good) == {
        "validity": passed,
        "key_size": passed,
        "key_usage": passed,
        "chain": passed,
        "owner_class": passed,
        "revocation": ("indeterminate", "KS-061"),
        "same_key": ("indeterminate", "QH-034"),
    }
    assert (await checks(shared))["same_key"] == ("indeterminate", "QH-034")
    assert (await checks(commercial))["owner_class"] == ("failed", "KS-052")
    assert (await checks(commercial))["same_key"] == passed


async def test_every_look_at_one_is_recorded(api: Api) -> None:
    one = await enrolled(api, seal())
    await api.call("thanhtra66", "GET", f"{LISTING}/{one}")
    async with transaction(api.service.engine) as connection:
        row = (
            await connection.execute(
                select(audit_event).where(audit_event.c.tag == AuditTag.CERTIFICATE_READ)
            )
        ).one()
    assert (row.actor_id, row.subject) == (api.province.officers["thanhtra66"].id, one)
    assert row.school_id == api.province.ids[PRIMARY]
    assert row.request_id
