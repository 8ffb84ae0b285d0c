"""What each kind of entry may move, and which entries each kind of version may have."""

from __future__ import annotations

MOVES: dict[str, dict[str, int]] = {
    "earn": {"issued": -1, "available": 1, "pending": 1},
    "return": {"available": -1, "pending": -1, "issued": 1},
    "hold": {"available": -1, "held": 1},
    "capture": {"held": -1, "redeemed": 1},
    "void": {"held": -1, "available": 1},
    "redeem": {"available": -1, "redeemed": 1},
    "refund": {"redeemed": -1, "available": 1},
    "adjust": {"adjusted": 0, "available": 0},
    "reinstate": {"expired": -1, "available": 1},
    "extend": {"available": 0},
    "time_out": {"held": -1, "available": 1},
    "vest": {"pending": -1, "available": 1},
    "expire": {"available": -1, "expired": 1},
    "merge": {"available": 0, "pending": 0, "held": 0, "merged": 0},
}
"""By kind of entry, the accounts it may post to and the sign; 0 is either."""

BY_THE_CLOCK = {"time_out", "vest", "expire"}
ENTRIES: dict[str, set[str]] = {
    "purchase": {"redeem", "capture", "earn"},
    "return": {"refund", "return"},
    "action": {"earn"},
    "hold": {"hold"},
    "capture": {"capture"},
    "void": {"void"},
    "claim": {"redeem"},
    "grant": {"earn"},
    "cancel": {"refund"},
    "adjust": {"adjust"},
    "reinstate": {"reinstate"},
    "extend": {"extend"},
    "merge": {"merge"},
    "merged": {"merge"},
}
"""By kind of version, the entries it may have beside those of the clock."""
