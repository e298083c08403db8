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
            self._note(leak)
        for name in now.gone:
            self._gone[name] = self.leaks.pop(name)
            for those in (self.unclear, self.cancelling, self._changed):
                those.pop(name, None)

    def _note(self, leak: Leak) -> None:
        self.leaks[leak.name] = self._changed[leak.name] = leak
        if leak.handed_over_at_s is None:
            self.unclear[leak.name] = leak
        else:
            self.unclear.pop(leak.name, None)
        if leak.cancelling:
            self.cancelling[leak.name] = leak
        else:
            self.cancelling.pop(leak.name, None)

    def changes(self) -> Changes:
        """What came since this was asked last, oldest first: sums of floats depend on the order."""
        changed = sorted(self._changed.values(), key=age)
        gone = [leak.name for leak in sorted(self._gone.values(), key=age)]
        self._changed, self._gone = {}, {}
        return Changes(changed, gone)


def age(leak: Leak) -> int:
    return leak.leak_id
