"""What is measured while the service runs; served at /metrics. No label ever holds what a caller sent."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


@dataclass(frozen=True, slots=True)
class Measures:
    """The instruments of one service, in a registry of their own."""

    registry: CollectorRegistry
    requests: Counter
    seconds: Histogram
    waiting: Gauge
    leased: Gauge
    stuck: Gauge
    oldest: Gauge
    queue_size: Gauge
    queue_speed: Gauge
    last_run: Gauge
    next_run: Gauge


def new_measures() -> Measures:
    """Make the instruments."""
    registry = CollectorRegistry()
    labels = ["method", "route", "status"]
    return Measures(
        registry=registry,
        requests=Counter("hocba_http_requests", "Requests answered", labels, registry=registry),
        seconds=Histogram(
            "hocba_http_request_seconds", "Time to the end of the answer", ["route"], registry=registry
        ),
        waiting=Gauge("hocba_jobs_waiting", "Jobs that no worker has yet", registry=registry),
        leased=Gauge("hocba_jobs_leased", "Jobs that a worker has", registry=registry),
        stuck=Gauge("hocba_jobs_stuck", "Jobs given up until an operator acts", registry=registry),
        oldest=Gauge("hocba_jobs_oldest_seconds", "Age of the oldest waiting job", registry=registry),
        queue_size=Gauge("hocba_queue_bytes", "Bytes of packages that wait or are judged", registry=registry),
        queue_speed=Gauge(
            "hocba_queue_bytes_per_second", "How fast the queue is worked off, as measured", registry=registry
        ),
        last_run=Gauge(
            "hocba_periodic_last_run_timestamp_seconds", "When it last ended", ["task"], registry=registry
        ),
        next_run=Gauge(
            "hocba_periodic_next_run_timestamp_seconds", "When it is due next", ["task"], registry=registry
        ),
    )
