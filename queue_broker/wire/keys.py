"""Access keys that the broker issues, and which requests they let in."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock

from headgate.errors import Conflict
from headgate.job import TenantName
from queue_broker.asked import Asked
from queue_broker.core.submit import Caller
from queue_broker.ports import Clock, Shelf
from queue_broker.records import Document
from queue_broker.wire import sigv4
from queue_broker.wire.faults import Fault

KIND = "access-key"
#: What clients sign for, by AWS's name of the service.
BATCH, LOGS = "batch", "logs"
#: Says that there was a key once: taking the last one back opens no door.
ISSUED = "access-keys-issued"
#: A key that was made or removed on another replica is known here after so long.
REMEMBER_S = 5.0
#: Two equal requests of one client, signed in one second, have one signature; they come together.
TWINS_S = 5.0
REPLAYED = "Signature was used before: the request is a replay"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """What a client signs with. The secret must be kept as it is: verifying needs it."""

    key_id: str
    secret: str
    tenant: TenantName


def issue(shelf: Shelf, tenant: str, now_s: float, token: Callable[[int], bytes]) -> AccessKey:
    """A new key of a tenant. `token(n)` gives n unguessable bytes (`secrets.token_bytes`)."""
    key_id = "HGKA" + base64.b32encode(token(10)).decode()
    key = AccessKey(key_id, base64.b64encode(token(30)).decode(), tenant)
    body = {"secret": key.secret, "tenant": tenant, "created_at_s": now_s}
    with suppress(Conflict):  # not the first one
        shelf.put(Document(ISSUED, "", {}))
    shelf.put(Document(KIND, key_id, body))
    return key


def new_key(shelf: Shelf, tenant: str, now_s: float) -> AccessKey:
    return issue(shelf, tenant, now_s, secrets.token_bytes)


class Replays:
    """Remembers the signatures that changed something, for as long as they are valid.

    The SDKs' call id is not signed. So a second call with one signature is a twin only if it has
    another id and comes at once; later, or with the same id, it is a replay.
    """

    def __init__(self) -> None:
        self._first_s: dict[str, float] = {}
        self._calls: dict[str, set[str]] = {}
        self._lock = Lock()

    def first(self, signature: str, call: str, now_s: float) -> bool:
        """Whether this is to be let in; it is remembered."""
        with self._lock:
            self._forget(now_s)
            calls = self._calls.setdefault(signature, set())
            first_s = self._first_s.setdefault(signature, now_s)
            if call in calls or now_s - first_s > TWINS_S:
                return False
            calls.add(call)
            return True

    def __len__(self) -> int:
        return len(self._first_s)

    def _forget(self, now_s: float) -> None:
        """Oldest first, as they were put in: a clock set back only keeps some longer."""
        while self._first_s:
            oldest = next(iter(self._first_s))
            if now_s - self._first_s[oldest] <= 2 * sigv4.SKEW_S:
                return
            del self._first_s[oldest], self._calls[oldest]


@dataclass(slots=True)
class Gatekeeper:
    """Says who calls. With `open`, whoever reaches the broker is let in until a key is issued."""

    shelf: Shelf
    clock: Clock
    open: bool
    _keys: dict[str, tuple[float, Document | None]] = field(default_factory=dict, init=False)
    _closed: tuple[float, bool] = field(default=(float("-inf"), False), init=False)
    _seen: Replays = field(default_factory=Replays, init=False)

    def caller(self, request: Asked, changes: bool, service: str = BATCH) -> Caller:
        """The tenant that signed; `Fault` when nobody did whom the broker knows."""
        if self.open and not self._had_keys():
            return Caller()
        signed = sigv4.read(request.headers)
        key = self._key(signed.key_id)
        now_s = self.clock()
        sigv4.verify(request, signed, key.body["secret"] if key else None, now_s, service)
        if changes and not self._seen.first(signed.signature, trace(request.headers), now_s):
            raise Fault(REPLAYED, "InvalidSignatureException", 403)
        return Caller(key.body["tenant"] if key else None)

    def _had_keys(self) -> bool:
        asked_s, found = self._closed
        if self.clock() - asked_s > REMEMBER_S:
            found = any(self.shelf.page(kind, None, 1) for kind in (ISSUED, KIND))
            self._closed = (self.clock(), found)
        return found

    def _key(self, key_id: str) -> Document | None:
        asked_s, found = self._keys.get(key_id, (float("-inf"), None))
        if self.clock() - asked_s > REMEMBER_S:
            found = self.shelf.get(KIND, key_id)
            if found is not None or key_id in self._keys:  # unknown ids must not fill the memory
                self._keys[key_id] = (self.clock(), found)
        return found


def trace(headers: Mapping[str, str]) -> str:
    """What AWS's SDKs say of a call and of which try of it this is; empty for other clients."""
    return headers.get("amz-sdk-invocation-id", "") + headers.get("amz-sdk-request", "")
