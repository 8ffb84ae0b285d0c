"""What an operator watches. Names follow Prometheus' conventions; units are in the name."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_FINE = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 15.0)

COMMIT_SECONDS = Histogram("chorus_commit_seconds", "One batch, from first statement to COMMIT", buckets=_FINE)
BATCH_SIZE = Histogram(
    "chorus_commit_batch_versions", "Versions made durable by one COMMIT", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
COMMIT_TO_SCREEN = Histogram(
    "chorus_commit_to_screen_seconds", "From COMMIT to the frame written to a socket", ["surface"], buckets=_FINE
)
CONNECTIONS = Gauge("chorus_live_connections", "Open live sockets", ["surface"], multiprocess_mode="livesum")
REPAIRED = Counter("chorus_live_repaired_total", "Members whose screens the repair lane brought up to date")
CUT_OFF = Counter("chorus_live_cut_off_total", "Sockets closed because they did not read")
RELAY_LAG = Gauge(
    "chorus_relay_lag_seconds",
    "Age of the oldest fact not yet in the stream; 0 when there is none",
    multiprocess_mode="livemax",
)
RELAYED = Counter("chorus_relayed_total", "Facts handed to the stream")
BUS_UP = Gauge("chorus_bus_up", "Whether the bus is connected (the worst of the workers)", multiprocess_mode="livemin")
REQUESTS = Histogram("chorus_http_seconds", "Requests by route and status", ["route", "status"], buckets=_FINE)
DELIVERIES = Counter(
    "chorus_deliveries_total", "Attempts to deliver, by channel and what became of them", ["channel", "outcome"]
)
DELIVERY_SECONDS = Histogram(
    "chorus_delivery_seconds", "From the plan of a delivery to the provider's yes", ["channel"], buckets=_FINE
)
CERTIFICATE_EXPIRES = Gauge(
    "chorus_certificate_expires_timestamp_seconds",
    "When the certificate that signs passes expires",
    ["certificate"],
    multiprocess_mode="livemin",
)
