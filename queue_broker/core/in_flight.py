"""The open leaks, kept from pass to pass by what changed: a pass costs no more than that."""

from __future__ import annotations

from dataclasses import dataclass, field

from queue_broker.ports import CycleStore
from queue_broker.records import Changes, Leak


@dataclass(slots=True)
class InFlight:
    """All open leaks by name, and those of them that something is to be done about."""

    leaks: dict[str, Leak] = field(default_factory=dict)
    unclear: dict[str, Leak] = field(default_factory=dict)  #: not known to be handed over
    cancelling: dict[str, Leak] = field(default_factory=dict)  #: tasks of them are to be stopped
    _changed: dict[str, Leak] = field(default_factory=dict)
    _gone: dict[str, Leak] = field(default_factory=dict)

    def renew(self, store: CycleStore) -> None:
        """Up to what is open now."""
        now = store.changed_leaks(self.leaks)
        for leak in now.leaks:
            self.leaks[leak.name] = self._changed[leak.name] = leak
        for name in now.gone:
            self._gone[name] = self.leaks.pop(name)
            self._changed.pop(name, None)
        unclear = {leak.name: leak for leak in now.leaks if leak.handed_over_at_s is None}
        cancelling = {leak.name: leak for leak in now.leaks if leak.cancelling}
        self.unclear = self._as_before(self.unclear) | unclear
        self.cancelling = self._as_before(self.cancelling) | cancelling

    def _as_before(self, those: dict[str, Leak]) -> dict[str, Leak]:
        """Those that have not changed."""
        return {name: leak for name, leak in those.items() if self.leaks.get(name) is leak}

    def changes(self) -> Changes:
        """What came since this was asked last, oldest first: sums of floats depend on the order."""
        changed = sorted(self._changed.values(), key=age)
        gone = [leak.name for leak in sorted(self._gone.values(), key=age)]
        self._changed, self._gone = {}, {}
        return Changes(changed, gone)


def age(leak: Leak) -> int:
    return leak.leak_id
