"""The shape every refusal has."""

from __future__ import annotations

from typing import Any

import httpx

Body = dict[str, Any]


def must_be_problem(answer: httpx.Response, status: int, code: str) -> Body:
    """The problem of a refusal with this status and code, after its shape was looked at."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    problem: Body = answer.json()
    assert problem["code"] == code, problem
    assert problem["status"] == status
    assert problem["retryable"] is (status >= 500)
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert {"type", "title", "detail"} <= problem.keys()
    return problem
