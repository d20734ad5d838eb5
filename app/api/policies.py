"""Policies over HTTP: what may be chosen, what holds, who chose it; choosing anew."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, Field, StrictBool, StrictInt, StrictStr

from app.actors import Officer, Role
from app.api.deps import Connection, Service, requires
from app.api.paging import Cursor, Limit, Page, id_after, write_cursor
from app.api.texts import Asked, Prose
from app.approvals import require_reason
from app.ids import hex32
from app.policies.book import PolicyDraft, PolicyEntry, choose, list_choices, policies_at
from app.policies.policy_set import DEFINITIONS, PolicyKey, PolicySet

router = APIRouter(prefix="/api/v1/policies", tags=["policies"])

Chooser = Annotated[Officer, Depends(requires(Role.ADMINISTRATOR, Role.DEPARTMENT_OFFICER))]
Value = StrictBool | StrictInt | StrictStr
Province = Annotated[str, Field(pattern=r"^[0-9]{2}$", description="Mã tỉnh / province code")]
Level = Annotated[str, Field(pattern=r"^[0-9]{2}$", description="Mã cấp học / level code")]
# The first year of a school year.
SchoolYear = Annotated[
    int, Field(ge=2000, le=2100, description="Năm bắt đầu năm học / first year", examples=[2025])
]


class PolicyIn(Asked):
    """Một lựa chọn chính sách / a choice."""

    key: PolicyKey
    value: Value | None = Field(description="null: bỏ lựa chọn trước đó / takes the earlier choice back")
    reason: Prose
    province: Province | None = None
    level: Level | None = None
    school_year: SchoolYear | None = None
    valid_from: AwareDatetime | None = Field(default=None, description="Trống: từ bây giờ / none: from now")


class ChoiceOut(BaseModel):
    """Một lựa chọn đã ghi / a choice as it stands in the book."""

    policy_id: str
    key: PolicyKey
    value: Value | None
    province: str | None
    level: str | None
    school_year: int | None
    valid_from: datetime
    reason: str
    author_kind: str
    author: str
    made_at: datetime

    @classmethod
    def of(cls, entry: PolicyEntry) -> Self:
        """Write a choice out."""
        choice = entry.choice
        return cls(
            policy_id=hex32(choice.id),
            key=choice.key,
            value=choice.value,
            province=choice.province,
            level=choice.level,
            school_year=choice.school_year,
            valid_from=choice.valid_from,
            reason=entry.reason,
            author_kind=entry.author_kind,
            author=entry.author,
            made_at=entry.made_at,
        )


class InForceOut(BaseModel):
    """Giá trị đang áp dụng / what holds now for the place asked about."""

    key: PolicyKey
    title: str
    title_en: str
    allowed: str
    default: Value
    value: Value
    decided_by: str | None = Field(description="policy_id; null: mặc định / the default holds")


class PoliciesOut(Page[ChoiceOut]):
    """Các lựa chọn, và giá trị đang áp dụng / the choices made, and what holds."""

    in_force: list[InForceOut]


def _in_force(
    policies: PolicySet, province: str | None, level: str | None, school_year: int | None
) -> list[InForceOut]:
    lines = []
    for key, definition in DEFINITIONS.items():
        choice = policies.deciding(key, province=province, level=level, school_year=school_year)
        lines.append(
            InForceOut(
                key=key,
                title=definition.title_vi,
                title_en=definition.title_en,
                allowed=definition.allowed,
                default=definition.default,
                value=policies.value(key, province=province, level=level, school_year=school_year),
                decided_by=None if choice is None else hex32(choice.id),
            )
        )
    return lines


@router.get(
    "",
    summary="Chính sách đang áp dụng và lịch sử / Policies in force and their history",
    dependencies=[Depends(requires(*(set(Role) - {Role.SECTOR_SYSTEM})))],
)
async def listing(
    *,
    connection: Connection,
    service: Service,
    key: Annotated[PolicyKey | None, Query()] = None,
    province: Annotated[Province | None, Query()] = None,
    level: Annotated[Level | None, Query()] = None,
    school_year: Annotated[SchoolYear | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> PoliciesOut:
    """Give what holds now for a province, level and school year, and every choice made, oldest first."""
    found = await list_choices(
        connection,
        key=key,
        province=province,
        after=id_after(cursor),
        limit=limit + 1,
    )
    more = write_cursor(found[limit - 1].choice.id) if len(found) > limit else None
    policies = await policies_at(connection, service.clock())
    return PoliciesOut(
        items=[ChoiceOut.of(entry) for entry in found[:limit]],
        next_cursor=more,
        in_force=_in_force(policies, province, level, school_year),
    )


@router.post("", status_code=201, summary="Đặt chính sách / Choose a policy")
async def choosing(asked: PolicyIn, actor: Chooser, connection: Connection, service: Service) -> ChoiceOut:
    """Choose a value, with a reason; the choice is never edited, only followed by another."""
    draft = PolicyDraft(
        key=asked.key,
        value=asked.value,
        reason=require_reason(asked.reason, action="policy"),
        province=asked.province,
        level=asked.level,
        school_year=asked.school_year,
        valid_from=asked.valid_from,
    )
    return ChoiceOut.of(await choose(connection, draft, now=service.clock(), officer=actor))
