"""What a worker's heartbeat does by the clock, done when a test asks for it."""

from collections.abc import Mapping

from app.db import transaction
from app.schedule import enqueue_due, list_tasks
from tests.builders.world import World


async def periodic(world: World) -> Mapping[str, Mapping[str, int] | None]:
    """Do all that waits, then the periodic work that is due; gives what came of each kind's last run."""
    await world.work()
    async with transaction(world.service.engine) as connection:
        await enqueue_due(connection)
    await world.work()
    async with transaction(world.service.engine) as connection:
        return {task.name: task.result for task in await list_tasks(connection)}
