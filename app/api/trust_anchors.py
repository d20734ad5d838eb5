"""The trust list over HTTP: the authorities whose certificates are believed."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field

from app.actors import Officer, Role
from app.api.deps import Connection, Service, requires
from app.api.paging import Cursor, Limit, Page, id_after
from app.api.texts import Asked, identified
from app.ids import hex32
from app.verify.certificates.anchors import (
    AnchorKind,
    ListedCertificate,
    add_anchor,
    list_anchors,
    withdraw_anchor,
)
from app.verify.certificates.possession import MAX_CERTIFICATE_CHARACTERS, read_certificate, to_pem
from app.verify.chain import OwnerClass

router = APIRouter(prefix="/api/v1/trust-anchors", tags=["trust-anchors"])

Keeper = Annotated[Officer, Depends(requires(Role.ADMINISTRATOR, Role.MINISTRY_OFFICER))]


class AnchorIn(Asked):
    """Chứng thư số tin cậy / a certificate to be believed."""

    certificate: Annotated[str, Field(max_length=MAX_CERTIFICATE_CHARACTERS, description="PEM")]
    owner_class: OwnerClass = Field(description="public_sector: Ban Cơ yếu; licensed_public: CA công cộng")
    kind: AnchorKind = AnchorKind.ANCHOR


class AnchorOut(BaseModel):
    """Một dòng của danh sách tin cậy / a row of the trust list."""

    anchor_id: str
    fingerprint: str
    subject: str
    owner_class: OwnerClass
    kind: AnchorKind
    added_at: datetime
    withdrawn_at: datetime | None
    pem: str

    @classmethod
    def of(cls, listed: ListedCertificate) -> Self:
        """Write out a row."""
        return cls(
            anchor_id=hex32(listed.id),
            fingerprint=listed.fingerprint,
            subject=listed.subject,
            owner_class=listed.owner_class,
            kind=listed.kind,
            added_at=listed.added_at,
            withdrawn_at=listed.withdrawn_at,
            pem=to_pem(listed.der),
        )


@router.get("", summary="Danh sách tin cậy / The trust list")
async def listing(
    _: Keeper, connection: Connection, limit: Limit = 100, cursor: Cursor = None
) -> Page[AnchorOut]:
    """List what is believed, and what was until it was withdrawn."""
    after = id_after(cursor)
    found = await list_anchors(connection, after=after, limit=limit + 1)
    return Page.cut(found, limit, show=AnchorOut.of, place=lambda row: row.id)


@router.post("", status_code=201, summary="Thêm chứng thư số tin cậy / Add a trusted certificate")
async def add(asked: AnchorIn, actor: Keeper, connection: Connection, service: Service) -> AnchorOut:
    """List an authority's root or intermediate certificate."""
    listed = await add_anchor(
        connection,
        read_certificate(asked.certificate.encode()),
        owner_class=asked.owner_class,
        kind=asked.kind,
        now=service.clock(),
        actor=actor,
    )
    return AnchorOut.of(listed)


@router.delete("/{anchor_id}", summary="Rút khỏi danh sách tin cậy / Withdraw from the trust list")
async def withdraw(
    anchor_id: Annotated[str, Path(max_length=40)], actor: Keeper, connection: Connection, service: Service
) -> AnchorOut:
    """Stop believing it, for everything judged from now on; what was recorded stays recorded."""
    return AnchorOut.of(
        await withdraw_anchor(connection, identified(anchor_id), now=service.clock(), actor=actor)
    )
