from __future__ import annotations

from queue_broker.core.memory import Memory


def test_a_memory_that_is_full_forgets() -> None:
    memory: Memory[tuple[int, int], dict[str, int]] = Memory(most=2)
    memory.keep({(1, 1): {"a": 1}, (1, 2): {"a": 2}})
    assert memory.known([(1, 1), (9, 9)]) == {(1, 1): {"a": 1}}
    memory.keep({(2, 1): {"a": 3}})
    assert memory.known([(1, 1), (2, 1)]) == {(2, 1): {"a": 3}}
