"""DescribeJobs' answers as they were written last time.

A client that polls asks for the same hundred jobs again and again, and most of them stand as they
stood: telling one anew, and as JSON, costs ten times what it costs to see that nothing changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from queue_broker.core.memory import Memory
from queue_broker.records import Standing
from queue_broker.wire.detail import full_id, to_detail
from queue_broker.wire.names import Place
from queue_broker.wire.service import Answer
from queue_broker.wire.whereabouts import located


@dataclass(frozen=True, slots=True)
class About:
    """All that a job's detail is made from. `tags`: None where they were never changed. `where`:
    what AWS says of its attempts, where it is AWS that runs them."""

    standing: Standing
    definition: Mapping[str, Any]
    tags: Mapping[str, str] | None
    place: Place
    where: Mapping[str, Answer] | None = None

    def same(self, other: About) -> bool:
        """A standing is the same while the describer remembers it: comparing two costs more than
        telling one of them anew.
        """
        return (
            self.standing is other.standing
            and self.place == other.place
            and self.tags == other.tags
            and self.definition == other.definition
            and self.where == other.where
        )

    def told(self) -> Answer:
        """The job's detail."""
        standing = self.standing if self.where is None else located(self.standing, self.where)
        return to_detail(standing, self.definition, self.tags, self.place)


def write(memory: Memory[str, tuple[Any, bytes]], jobs: Sequence[About]) -> list[bytes]:
    """Each job's detail as JSON, in the order given; `memory` keeps them with what they tell of."""
    ids = [full_id(one.standing) for one in jobs]
    wanted = dict(zip(ids, jobs, strict=True))
    kept = memory.known(wanted)
    told = {job: json for job, (about, json) in kept.items() if wanted[job].same(about)}
    fresh = {job: to_json(about.told()) for job, about in wanted.items() if job not in told}
    memory.keep({job: (wanted[job], json) for job, json in fresh.items()})
    told |= fresh
    return [told[one] for one in ids]
