"""What whoever runs the service asks of it: is it alive, can it work, how much waits."""

from typing import Final

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from sqlalchemy import text

from app.api.deps import PUBLIC, Service
from app.db import transaction
from app.jobs import backlog
from app.schedule import list_tasks

router = APIRouter(dependencies=[PUBLIC], tags=["operation"])

SCHEMA_REVISION: Final = text("SELECT version_num FROM alembic_version")


class HealthOut(BaseModel):
    """The process answers."""

    status: str = "ok"


class ReadyOut(BaseModel):
    """The service can take packages in charge."""

    status: str = "ready"
    schema_revision: str


@router.get("/healthz", summary="Tiến trình còn sống / The process is alive")
async def healthz() -> HealthOut:
    """Answer without asking anything else: a service that waits for its database is alive."""
    return HealthOut()


@router.get("/readyz", summary="Sẵn sàng nhận gói / Ready to take packages")
async def readyz(service: Service) -> ReadyOut:
    """Ask the database; 503 (HT-002) while it is away or has no schema."""
    async with transaction(service.engine) as connection:
        return ReadyOut(schema_revision=(await connection.execute(SCHEMA_REVISION)).scalar_one())


@router.get(
    "/metrics",
    summary="Số đo (Prometheus) / Metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}},
)
async def metrics(service: Service) -> Response:
    """Give counters and times by route, and how many jobs wait or are stuck, when periodic work ran."""
    async with transaction(service.engine) as connection:
        waiting = await backlog(connection)
        tasks = await list_tasks(connection)
    speed = await service.admission.speed()
    measures = service.measures
    measures.waiting.set(waiting.waiting)
    measures.leased.set(waiting.leased)
    measures.stuck.set(waiting.stuck)
    measures.oldest.set(waiting.oldest_seconds)
    measures.queue_size.set(waiting.size)
    measures.queue_speed.set(0 if speed is None else speed)
    for task in tasks:
        measures.next_run.labels(task.name).set(task.next_at.timestamp())
        if task.ended_at is not None:
            measures.last_run.labels(task.name).set(task.ended_at.timestamp())
    return Response(generate_latest(measures.registry), media_type=CONTENT_TYPE_LATEST)
