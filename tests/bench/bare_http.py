"""The peer of row 2: a bare Litestar application with one POST handler, in a process of its own.

It decodes the same body into the same struct and answers a body of the same shape, on uvicorn with the settings of
`bff.worker`; no token, no key, no database. Prints its port when it listens.
"""

from __future__ import annotations

import socket
from datetime import UTC, datetime

import uvicorn
from litestar import Litestar, post

from bff.bodies import AwardAnswer, PurchaseAnswer, PurchaseBody, ReceiptLink, TierAnswer

_THEN = datetime(2026, 1, 1, tzinfo=UTC)


@post("/pos/v1/purchases")
async def record_purchase(data: PurchaseBody) -> PurchaseAnswer:
    return PurchaseAnswer(
        purchase_id=data.id,
        earned=data.total // 10,
        pending=0,
        awards=[AwardAnswer("base", "", data.total // 10, "points")],
        due=data.total,
        balance=data.total,
        tier=TierAnswer("silver", "Silver Disc", data.total, 20_000, "Gold Disc"),
        receipt=ReceiptLink("http://127.0.0.1:8000/r/AAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        flags=[],
        epoch=1,
        version=2,
        programme=1,
        valid_from=_THEN,
    )


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(
        Litestar([record_purchase], logging_config=None, openapi_config=None),
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        log_config=None,
        lifespan="on",
        server_header=False,
        backlog=2048,
    )
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
