"""The keys of provinces over HTTP: the ministry takes down by which keys it believes each of them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from app.actors import Officer, Role
from app.api.deps import Connection, Service, requires
from app.api.forwarding_bodies import ProvinceKeyOut, ProvinceKeysIn, ProvinceKeysOut
from app.forwarding.provinces import add_keys, department, list_keys, withdraw_key

router = APIRouter(prefix="/api/v1/provinces", tags=["forwarding"])

Keeper = Annotated[Officer, Depends(requires(Role.ADMINISTRATOR, Role.MINISTRY_OFFICER))]
Code = Annotated[str, Path(max_length=20, description="Mã tỉnh / province code")]
KeyId = Annotated[str, Path(max_length=128, description="kid")]


@router.get("/{code}/keys", summary="Khóa công khai của Sở / The keys of a province")
async def keys(_: Keeper, connection: Connection, code: Code) -> ProvinceKeysOut:
    """List the keys by which a province is believed, withdrawn ones too."""
    found = await department(connection, code)
    return ProvinceKeysOut(items=[ProvinceKeyOut.of(key) for key in await list_keys(connection, found.code)])


@router.post("/{code}/keys", summary="Ghi nhận khóa công khai của Sở / Take down a province's keys")
async def take_down(
    code: Code, asked: ProvinceKeysIn, actor: Keeper, connection: Connection, service: Service
) -> ProvinceKeysOut:
    """Take down a province's JWKS, obtained from the province itself; keys known already stay as they are."""
    listed = await add_keys(connection, code, asked.keys, now=service.clock(), actor=actor)
    return ProvinceKeysOut(items=[ProvinceKeyOut.of(key) for key in listed])


@router.delete("/{code}/keys/{kid}", status_code=204, summary="Ngừng tin một khóa / Withdraw a key")
async def withdraw(code: Code, kid: KeyId, actor: Keeper, connection: Connection, service: Service) -> None:
    """Believe a key no more; what it has signed and was acknowledged stays acknowledged."""
    await withdraw_key(connection, code, kid, now=service.clock(), actor=actor)
