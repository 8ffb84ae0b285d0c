"""What may befall a request that was right; `to` (a device token, a subscription's endpoint) narrows it to a target."""

from __future__ import annotations

from tests.peers.node import Trouble


def well(to: str = "") -> Trouble:
    """Nothing befalls this one: it is answered as if nothing were scripted."""
    return _trouble("well", to)


def answer(status: int, reason: str = "", *, retry_after: int | str | None = None, to: str = "") -> Trouble:
    """Answered with `status` and the provider's form of `reason`; without a reason the body is empty. `retry_after` is
    seconds, or a whole HTTP date."""
    later = {} if retry_after is None else {"retry_after": str(retry_after)}
    return {**_trouble("answer", to), "status": status, "reason": reason, **later}


def hang(to: str = "") -> Trouble:
    """Never answered; the connection stays open."""
    return _trouble("hang", to)


def reset(to: str = "") -> Trouble:
    """Broken off unanswered: HTTP/2 resets the stream, HTTP/1.1 the connection."""
    return _trouble("reset", to)


def goaway(*, processed: bool = True, to: str = "") -> Trouble:
    """HTTP/2 only: GOAWAY with this request unanswered, then the connection closes. `processed`: whether the frame
    leaves open that the request was taken, or says that it was not."""
    return {**_trouble("goaway", to), "processed": processed}


def goaway_after(to: str = "") -> Trouble:
    """HTTP/2 only: answered as usual, then GOAWAY."""
    return _trouble("goaway-after", to)


def empty_frame(to: str = "") -> Trouble:
    """HTTP/2 only: taken, and the answer's end is preceded by an empty DATA frame."""
    return _trouble("empty-frame", to)


def _trouble(kind: str, to: str) -> dict[str, object]:
    return {"kind": kind, **({"to": to} if to else {})}
