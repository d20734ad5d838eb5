"""Packages over HTTP: send one, follow it, read its answer; ask by digest; try without storing."""

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Final, TypeVar
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.actors import Actor, Submitter
from app.api.deps import Connection, Reader, Sender, Service, ServiceState
from app.api.package_bodies import (
    DigestOut,
    DigestPlaceOut,
    ItemOut,
    OuterIn,
    PackageFeed,
    PackageIn,
    PackageOut,
    PackageSummary,
    ReceivedOut,
    ValidationOut,
    findings_out,
)
from app.api.paging import Cursor, Limit, read_cursor, write_cursor
from app.api.rate_limits import with_jitter
from app.api.scope import scope_of, uuid_of
from app.api.texts import Moment
from app.audit import AuditTag, record_act
from app.db import transaction
from app.errors import DomainError
from app.findings import Finding
from app.ids import hex32
from app.ingest import answers
from app.ingest.answers import PackageView
from app.ingest.envelope import decode_payload
from app.ingest.intake import Submission, lane_of, receive
from app.ingest.package import ItemState, PackageState, first_year
from app.ingest.process import preview
from app.organisations.scope import school_for
from app.organisations.tree import legal_date

T = TypeVar("T")

router = APIRouter(prefix="/api/v1", tags=["packages"])

GZIP: Final = "application/gzip"
JSON: Final = "application/json"
WAIT: Final = re.compile(r"(?:^|[,;\s])wait=(\d{1,4})(?:$|[,;\s])")
POLL_SECONDS: Final = (0.02, 0.05, 0.1, 0.2)

PackageId = Annotated[
    str, Path(max_length=40, description="Mã gói: UUID, 32 hoặc 36 ký tự / the package's UUID")
]

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": PackageIn.model_json_schema()},
            GZIP: {"schema": {"type": "string", "format": "binary"}},
        },
    },
    "parameters": [
        {
            "name": name,
            "in": "query",
            "required": False,
            "schema": schema,
            "description": "Chỉ khi gửi application/gzip / only with a raw gzip body",
        }
        for name, schema in OuterIn.model_json_schema()["properties"].items()
    ],
}


async def _read_package(request: Request, service: ServiceState) -> tuple[OuterIn, bytes]:
    """Read a package in either form; both give the same bytes, digest and rules."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in {JSON, GZIP}:
        raise DomainError("DD-902", expected=f"{JSON}, {GZIP}")
    body = await request.body()
    if media == GZIP:
        return _checked(lambda: OuterIn.model_validate(dict(request.query_params))), body
    return await service.offload.run(_read_json, body)


async def _submission(
    connection: Connection, service: ServiceState, actor: Submitter, fields: OuterIn, payload: bytes
) -> Submission:
    """Give what was sent, of a school that the sender acts for (QH-004)."""
    school = await school_for(connection, actor, fields.school_code, legal_date(service.clock()))
    return Submission(
        package_id=UUID(fields.package_id),
        school_id=school.id,
        school_code=school.code,
        school_year=first_year(fields.school_year),
        schema_version=fields.schema_version,
        payload=payload,
        is_atomic=fields.atomic,
    )


def _checked(read: Callable[[], T]) -> T:
    """Tell what is wrong with a request's fields the way the framework tells it."""
    try:
        return read()
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_input=False, include_url=False)) from error


def _read_json(body: bytes) -> tuple[PackageIn, bytes]:
    fields = _checked(lambda: PackageIn.model_validate_json(body))
    payload = decode_payload(fields.payload)
    if isinstance(payload, Finding):
        raise DomainError(payload.code, **payload.facts)
    return fields, payload


@router.post(
    "/packages",
    status_code=202,
    summary="Gửi một gói học bạ / Send a package of transcripts",
    openapi_extra=_BODY,
    responses={
        200: {
            "model": ReceivedOut,
            "description": "Gửi lại đúng gói đã nhận, hoặc đã có kết quả / Repeat, or answered",
        },
        409: {"description": "Mã gói đã dùng cho nội dung khác / Other bytes under this id"},
    },
)
async def send(
    request: Request,
    response: Response,
    service: Service,
    actor: Sender,
    prefer: Annotated[
        str | None,
        Header(max_length=200, description="wait=10: chờ kết quả, giây / seconds to wait"),
    ] = None,
) -> ReceivedOut:
    """Take a package in charge: stored and signed for before the answer leaves.

    The same package again gives the same acknowledgement (200). ``Prefer: wait=N`` waits up to N seconds for
    the result. After a time-out ask ``GET /digests/{sha256}`` or simply send the same bytes again.
    """
    await _find_room(request, service, actor)
    fields, payload = await _read_package(request, service)
    async with transaction(service.engine) as connection:
        submission = await _submission(connection, service, actor, fields, payload)
        taken = await receive(connection, submission, submitter=actor, keys=service.keys, now=service.clock())
    wait = _wait_seconds(prefer, service.settings.max_wait_seconds)
    if wait:
        response.headers["Preference-Applied"] = f"wait={wait}"
    state, result = PackageState.RECEIVED, None
    if wait or taken.is_repeat:
        view = await _await_answer(service.engine, submission, wait)
        state = view.state
        if wait and view.answered_at:
            async with transaction(service.engine) as connection:
                result = await _result(connection, view, None)
                await answers.mark_read(connection, view)
    if taken.is_repeat or state is PackageState.ANSWERED:
        response.status_code = 200
    path = f"/api/v1/packages/{hex32(submission.package_id)}"
    response.headers["Location"] = path
    return ReceivedOut(
        package_id=hex32(submission.package_id),
        sha256=taken.sha256.hex(),
        received_at=taken.received_at,
        status=state,
        acknowledgement=taken.jws,
        status_url=f"{service.settings.address}{path}",
        result=result,
    )


async def _find_room(request: Request, service: ServiceState, actor: Submitter) -> None:
    """Refuse with HT-013, before the body is read, what the queue has no room for; tell when it will have."""
    declared = request.headers.get("content-length")
    size = service.settings.max_body_bytes if declared is None else int(declared)
    seconds = await service.admission.wait_seconds(lane_of(actor).name, size)
    if seconds:
        raise DomainError("HT-013", retry_after=with_jitter(seconds))


def _wait_seconds(prefer: str | None, longest: int) -> int:
    """Read RFC 7240's ``wait``; longer than allowed is shortened."""
    found = WAIT.search(prefer or "")
    return min(int(found.group(1)), longest) if found else 0


async def _await_answer(engine: AsyncEngine, submission: Submission, seconds: int) -> PackageView:
    """Look until the package is answered or the time is over, holding no connection while waiting."""
    deadline, turn = time.monotonic() + seconds, 0
    while True:
        async with transaction(engine) as connection:
            view = await answers.find_package(
                connection, submission.package_id, lambda school: school == submission.school_id
            )
        assert view is not None
        if view.state is PackageState.ANSWERED or time.monotonic() >= deadline:
            return view
        await asyncio.sleep(POLL_SECONDS[min(turn, len(POLL_SECONDS) - 1)])
        turn += 1


@router.post(
    "/validations",
    summary="Kiểm tra thử một gói, không lưu / Judge a package without storing anything",
    openapi_extra=_BODY,
)
async def try_out(request: Request, service: Service, actor: Sender) -> ValidationOut:
    """Give the judgement that the same package would have now; nothing is stored, nothing is signed."""
    fields, payload = await _read_package(request, service)
    async with transaction(service.engine) as connection:
        submission = await _submission(connection, service, actor, fields, payload)
        await record_act(
            connection,
            now=service.clock(),
            actor=actor,
            tag=AuditTag.PACKAGE_VALIDATED,
            subject=f"package:{hex32(submission.package_id)}",
            school_id=submission.school_id,
        )
    return ValidationOut.of(await preview(service.bench, submission))


async def _find(connection: Connection, actor: Actor, package_id: str, service: ServiceState) -> PackageView:
    scope = scope_of(actor, service.clock())
    view = await answers.find_package(connection, uuid_of(package_id, "package_id"), scope)
    if view is None:
        raise DomainError("QH-005")
    return view


async def _result(connection: Connection, view: PackageView, outcome: ItemState | None) -> PackageOut:
    counts = await answers.count_outcomes(connection, view)
    items = await answers.package_items(connection, view, outcome)
    return PackageOut(
        **PackageSummary.of(view).model_dump(),
        total=sum(counts.values()),
        accepted=counts[ItemState.ACCEPTED],
        rejected=counts[ItemState.REJECTED],
        held=counts[ItemState.HELD],
        is_delayed=view.state is not PackageState.ANSWERED and await answers.is_stuck(connection, view),
        findings=findings_out(await answers.package_findings(connection, view)),
        items=[ItemOut.of(item) for item in items],
    )


@router.get("/packages/{package_id}", summary="Kết quả của một gói / What became of a package")
async def read(
    connection: Connection,
    service: Service,
    actor: Reader,
    package_id: PackageId,
    outcome: Annotated[
        ItemState | None, Query(description="Chỉ các học bạ có kết quả này / only these")
    ] = None,
) -> PackageOut:
    """Give state, counts and the answer for each transcript; the sender's first reading is noted."""
    view = await _find(connection, actor, package_id, service)
    if isinstance(actor, Submitter) and view.state is PackageState.ANSWERED and view.reply_read_at is None:
        await answers.mark_read(connection, view)
    await record_act(
        connection,
        now=service.clock(),
        actor=actor,
        tag=AuditTag.PACKAGE_READ,
        subject=f"package:{hex32(view.package_id)}",
        school_id=view.school_id,
    )
    return await _result(connection, view, outcome)


@router.get("/packages/{package_id}/payload", summary="Gói như đã gửi / The bytes as sent",
            response_class=Response, responses={200: {"content": {GZIP: {}}}})  # fmt: skip
async def payload(connection: Connection, service: Service, actor: Reader, package_id: PackageId) -> Response:
    """Give the gzip that was received, unchanged; its SHA-256 is the acknowledgement's."""
    view = await _find(connection, actor, package_id, service)
    await record_act(
        connection,
        now=service.clock(),
        actor=actor,
        tag=AuditTag.PACKAGE_READ,
        subject=f"package:{hex32(view.package_id)}",
        school_id=view.school_id,
        facts={"part": "payload"},
    )
    return Response(await answers.read_payload(connection, view), media_type=GZIP)


@router.get("/packages", summary="Danh sách gói đã gửi / The feed of packages")
async def feed(
    connection: Connection,
    service: Service,
    actor: Reader,
    limit: Limit = 100,
    cursor: Cursor = None,
    since: Annotated[Moment | None, Query(description="RFC 3339, có múi giờ / with offset")] = None,
    status: Annotated[PackageState | None, Query(description="Chỉ các gói này / only these")] = None,
) -> PackageFeed:
    """List packages by the moment they were received, oldest first."""
    after = read_cursor(cursor, str, str)
    views = await answers.feed(
        connection,
        scope=scope_of(actor, service.clock()),
        state=status,
        since=since,
        after=None if after is None else _place(after),
        limit=limit,
    )
    last = views[-1] if len(views) == limit else None
    return PackageFeed(
        items=[PackageSummary.of(view) for view in views],
        next_cursor=None if last is None else write_cursor(last.received_at.isoformat(), last.package_id),
    )


def _place(cursor: Sequence[str | int]) -> tuple[datetime, UUID]:
    try:
        return datetime.fromisoformat(str(cursor[0])), UUID(str(cursor[1]))
    except ValueError as error:
        raise DomainError("DD-903") from error


@router.get("/digests/{sha256}", tags=["digests"], summary="Tra theo SHA-256 / What is known of a digest")
async def by_digest(
    connection: Connection,
    service: Service,
    actor: Reader,
    sha256: Annotated[str, Path(pattern=r"^[0-9A-Fa-f]{64}$", description="SHA-256, 64 chữ số / hex digits")],
) -> DigestOut:
    """Say where a digest is known: of a package's gzip, or of a transcript's signed content.

    The signed content's digest is SHA-256 over the exclusive canonical form (without comments) of the element
    that the signatures cover. Unknown is an answer too: the bytes never arrived.
    """
    scope = scope_of(actor, service.clock())
    places = await answers.known_by_digest(connection, bytes.fromhex(sha256), scope)
    return DigestOut(
        sha256=sha256.lower(),
        is_known=bool(places),
        places=[DigestPlaceOut.of(place) for place in places],
    )
