"""Which of the catalogue's types to consider at all."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from headgate.errors import InvalidInput
from packer.catalogue import InstanceType

#: EC2's names: family letters, generation digit, options, then the size.
NAME = re.compile(r"^(?P<series>[a-z]+(-[0-9a-z]+)?)(?P<generation>\d*)(?P<options>[a-z0-9-]*)\.")
#: Not for batch work by default: burstable (paid by credits), bare metal, HPC (not in every zone),
#: huge memory (to be had on request), other accelerators than GPUs, and video.
SPECIAL = ("t", "hpc", "u", "inf", "trn", "vt", "dl", "f", "mac", "a")


@dataclass(frozen=True, slots=True)
class Selection:
    """What to keep. `families` are prefixes of names, such as "c6" or "m5a."; empty: all but
    `SPECIAL` and bare metal. `generation` is the least. `at_most` keeps the types that give most
    for the money."""

    families: Sequence[str] = ()
    arch: str | None = None
    generation: int = 5
    at_most: int | None = None


def select(types: Iterable[InstanceType], selection: Selection) -> list[InstanceType]:
    """The types that the selection keeps, by key; the same types give the same answer in any
    order."""
    if selection.at_most is not None and selection.at_most < 1:
        raise InvalidInput.of("at_most", selection.at_most, "at least 1")
    kept = sorted((kind for kind in types if keeps(selection, kind)), key=lambda kind: kind.key)
    if selection.at_most is None or len(kept) <= selection.at_most:
        return kept
    ranked = by_turns(kept)[: selection.at_most]
    return sorted(ranked, key=lambda kind: kind.key)


def keeps(selection: Selection, kind: InstanceType) -> bool:
    if selection.arch not in (None, kind.arch):
        return False
    if selection.families:
        return kind.name.startswith(tuple(selection.families))
    return is_ordinary(kind) and generation(kind.name) >= selection.generation


def is_ordinary(kind: InstanceType) -> bool:
    found = NAME.match(kind.name)
    series = found["series"].split("-")[0] if found else ""
    return series not in SPECIAL and ".metal" not in kind.name


def generation(name: str) -> int:
    """The generation in an EC2 name; 0 where there is none. GPU families count their own, from g4
    on they are current."""
    found = NAME.match(name)
    digits = found["generation"] if found else ""
    current = bool(found) and found["series"][:1] in ("g", "p") and digits >= "3"  # type: ignore[index]
    return 99 if current else int(digits or 0)


def by_turns(types: Sequence[InstanceType]) -> list[InstanceType]:
    """The cheapest of each shape first, and of these one of each kind by turns, the large ones
    first: any number of types from the top is a varied catalogue."""
    of_shape, of_kind = Counter[tuple[object, ...]](), Counter[tuple[object, ...]]()
    turns = []
    for one in sorted(types, key=lambda one: (-one.capacity.vcpu, price_of(one), one.key)):
        capacity = one.capacity
        ratio = round(capacity.memory_mib / capacity.vcpu / 1024)
        kind = (one.arch, one.gpu_model, one.purchase, ratio)
        shape = (*kind, capacity.vcpu, capacity.gpus)
        turns.append((of_shape[shape], of_kind[kind], one.key, one))
        of_shape[shape] += 1
        of_kind[kind] += 1
    return [one for _, _, _, one in sorted(turns, key=lambda turn: turn[:3])]


def price_of(kind: InstanceType) -> float:
    return float("inf") if kind.price_usd_hour is None else kind.price_usd_hour
