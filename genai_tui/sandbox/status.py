"""How the API server says no: meta/v1 Status, with the texts of the real one."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


class ApiError(Exception):
    """An HTTP error with a Status body."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: Json | None = None,
        *,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details
        self.retry_after = retry_after

    def body(self) -> Json:
        """The Status object."""
        status: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        return status | {"code": self.code}


def _details(name: str, group: str, plural: str) -> Json:
    return {"name": name} | ({"group": group} if group else {}) | {"kind": plural}


def qualified(group: str, plural: str) -> str:
    """`deployments.apps`, or `pods` for the core group."""
    return f"{plural}.{group}" if group else plural


def not_found(group: str, plural: str, name: str) -> ApiError:
    """404 for an object."""
    message = f'{qualified(group, plural)} "{name}" not found'
    return ApiError(404, "NotFound", message, _details(name, group, plural))


def already_exists(group: str, plural: str, name: str) -> ApiError:
    """409 for a second create."""
    message = f'{qualified(group, plural)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(name, group, plural))


def modified(group: str, plural: str, name: str) -> ApiError:
    """409 for a write with an old resource version."""
    message = (
        f'Operation cannot be fulfilled on {qualified(group, plural)} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    return ApiError(409, "Conflict", message, _details(name, group, plural))


def bad_request(message: str) -> ApiError:
    """400."""
    return ApiError(400, "BadRequest", message)


def invalid(group: str, kind: str, name: str, causes: list[tuple[str, str, str]]) -> ApiError:
    """422 with (reason, field, message) for each cause."""
    shown = [f"{field}: {message}" for _, field, message in causes]
    text = shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]"
    details = _details(name, group, kind) | {
        "causes": [{"reason": reason, "message": message, "field": field} for reason, field, message in causes]
    }
    return ApiError(422, "Invalid", f'{qualified(group, kind)} "{name}" is invalid: {text}', details)


def expired(
    message: str = "The provided continue parameter is too old to display a consistent list result.",
) -> ApiError:
    """410: the version asked for is no longer known."""
    return ApiError(410, "Expired", message)


def not_allowed() -> ApiError:
    """405."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})
