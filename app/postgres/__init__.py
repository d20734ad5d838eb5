"""The embedded PostgreSQL: its programs, its cluster, and the supervisor that keeps it running."""

from app.postgres.address import ServerAddress
from app.postgres.refusal import PostgresUnavailableError
from app.postgres.server_lock import running_server
from app.postgres.supervisor import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "PostgresUnavailableError", "ServerAddress", "running_server"]
