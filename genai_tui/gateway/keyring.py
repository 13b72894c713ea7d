"""API keys in memory, by the hash of their text: the text itself is in no variable that outlives a request."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from datetime import datetime

from genai_tui.domain.keys import KeyRecord
from genai_tui.gateway.refusals import no_key

Headers = Iterable[tuple[bytes, bytes]]
_MISSING = "You didn't provide an API key. Send it in the header 'Authorization: Bearer KEY'."
_WRONG = "Incorrect API key provided."
_LONGEST_KEY = 512


class Keyring:
    """The keys that are valid now, as the Secrets in the cluster say."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._records: dict[str, KeyRecord] = {}
        self._by_hash: dict[str, KeyRecord] = {}

    def put(self, secret: str, record: KeyRecord | None) -> None:
        """The key in a Secret as it is now; None when the Secret is gone or holds none."""
        self._records.pop(secret, None)
        if record is not None:
            self._records[secret] = record
        self._by_hash = {record.hash: record for record in self._records.values() if record.hash}

    @property
    def secrets(self) -> set[str]:
        """The Secrets whose keys are known."""
        return set(self._records)

    def authenticate(self, headers: Headers) -> KeyRecord:
        """The key of a request.

        Raises:
            Refused: 401, without a key, with a wrong one, or with one that has expired.
        """
        digest = hashlib.sha256(_bearer(headers)).hexdigest()
        # Which entry a guess falls on says nothing, as nobody can choose a hash; the comparison takes constant time.
        record = self._by_hash.get(digest)
        if record is None or not hmac.compare_digest(record.hash, digest):
            raise no_key(_WRONG)
        if record.expires is not None and record.expired(self._clock()):
            raise no_key(f"The API key '{record.id}' expired on {record.expires:%Y-%m-%d %H:%M} UTC.")
        return record


def _bearer(headers: Headers) -> bytes:
    given = [value for name, value in headers if name == b"authorization"]
    if not given:
        raise no_key(_MISSING)
    scheme, _, key = given[0].strip().partition(b" ")
    key = key.strip()
    if len(given) > 1 or scheme.lower() != b"bearer" or not key or len(key) > _LONGEST_KEY:
        raise no_key(_MISSING if not key else _WRONG)
    return key
