"""What a recall would touch, shown before anybody decides."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.snapshots.scopes import Scope, SnapshotKind
from app.snapshots.sealing import Outcome, Sealer, seal
from tests.api.conftest import Api
from tests.builders.callers import tokens_for_all
from tests.builders.ledger import issue
from tests.builders.province import OTHER_PRIMARY, PRIMARY
from tests.builders.recalls import RECALLS, asked, at, record

AFTER_LOCK = datetime(2026, 7, 5, 3, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def signed_in(api: Api) -> None:
    api.tokens.update(tokens_for_all(api.service, api.province))


async def test_the_blast_radius_is_shown_before_anybody_decides(api: Api) -> None:
    first = await record(api)
    replacing = (await issue(api.service.engine, api.province.ids[PRIMARY], replaces=UUID(first))).hex
    later = await record(api, school_year=2026, grade=5)
    hidden = await record(api, OTHER_PRIMARY, school_year=2027, grade=5)
    recall_id = await asked(api, replacing)
    for caller in ("tanlap", "so66", "vendor"):
        await api.call(caller, "GET", f"/api/v1/records/{replacing}")
    sent = {"to_school_code": OTHER_PRIMARY, "record_ids": [replacing]}
    transfer = (await api.call("vendor", "POST", "/api/v1/transfers", json=sent)).json()
    answer = await api.call("tanlap", "GET", f"{RECALLS}/{recall_id}/impact")
    impact = answer.json()["items"][0]
    assert impact["replaced"] == [first]
    assert impact["later_years"] == [{"record_id": later, "school_code": PRIMARY, "school_year": "2026-2027"}]
    assert impact["later_years_elsewhere"] == 1
    assert hidden not in answer.text
    assert impact["transfers"] == [{"transfer_id": transfer["transfer_id"], "to_school_code": OTHER_PRIMARY}]
    assert impact["lookups"] == 2
    assert impact["last_lookup_at"] is not None
    assert impact["stands"] is True


async def test_the_snapshots_that_hold_a_record_are_named(api: Api) -> None:
    record_id = await record(api)
    at(api, AFTER_LOCK)
    recall_id = await asked(api, record_id)
    unsealed = (await api.call("tanlap", "GET", f"{RECALLS}/{recall_id}/impact")).json()
    assert unsealed["items"][0]["snapshots"] == []
    service = api.service
    sealer = Sealer(
        engine=service.engine, clock=service.clock, keys=service.keys, offload=service.bench.offload
    )
    scope = Scope(province="66", school_year=2025, kind=SnapshotKind.SCHOOL_CONFIRMED)
    assert await seal(sealer, scope) is Outcome.SEALED
    sealed = (await api.call("tanlap", "GET", f"{RECALLS}/{recall_id}/impact")).json()
    (held,) = sealed["items"][0]["snapshots"]
    assert (held["kind"], held["cut_off"]) == ("SCHOOL_CONFIRMED", "2026-07-01T00:00:00+07:00")
    shown = (await api.call("vendor", "GET", f"/api/v1/records/{record_id}")).json()
    assert shown["snapshots"] == [held]
    before = {"as_of": (AFTER_LOCK - timedelta(seconds=1)).isoformat()}
    earlier = (await api.call("vendor", "GET", f"/api/v1/records/{record_id}", params=before)).json()
    assert earlier["snapshots"] == []
    preview = await api.call(
        "tanlap", "POST", f"{RECALLS}/decisions?preview=true",
        json={"recall_ids": [recall_id], "action": "approve"},
    )  # fmt: skip
    assert preview.json()["results"][0]["impact"]["snapshots"] == 1
