"""Health for whoever runs it: alive, ready, and the numbers."""

from __future__ import annotations

import msgspec
from litestar import Controller, Response, get
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bff.services import Given
from core.database import at_least_head, head, schema_revision


class Check(msgspec.Struct):
    ok: bool
    detail: str


class Readiness(msgspec.Struct):
    ready: bool
    database: Check
    nats: Check
    schema: Check
    warnings: list[str]
    """What an operator should see to; nothing of it stops requests."""


class HealthController(Controller):
    tags = ("health",)

    @get("/health/live", summary="The process turns", sync_to_thread=False)
    def live(self) -> dict[str, bool]:
        return {"live": True}

    @get("/health/ready", summary="It may be sent requests", raises=[])
    async def ready(self, services: Given) -> Response[Readiness]:
        """503 while the database or NATS is away, the schema is older than this build, or it is stopping."""
        try:
            revision = await schema_revision(services.database)
            database = Check(True, "answers")
            schema = Check(at_least_head(revision), f"at {revision}, this build is {head()}")
        except (DBAPIError, OSError, PoolTimeout, TimeoutError) as error:
            database = Check(False, (str(error) or type(error).__name__).splitlines()[0])
            schema = Check(False, "not known while the database is away")
        nats = Check(services.bus.connected, "connected" if services.bus.connected else "reconnecting")
        ready = database.ok and schema.ok and nats.ok and not services.draining
        warnings = services.outside.warnings(services.settings, services.clock)
        return Response(Readiness(ready, database, nats, schema, warnings), status_code=200 if ready else 503)

    @get("/metrics", summary="Prometheus metrics of all workers", media_type="text/plain", sync_to_thread=False)
    def metrics(self, services: Given) -> Response[bytes]:
        registry: CollectorRegistry = REGISTRY
        if services.metrics_dir is not None:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, path=str(services.metrics_dir))  # type: ignore[no-untyped-call]
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
