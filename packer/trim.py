"""The last look at each instance: what is on it may fit on a cheaper type."""

from __future__ import annotations

import numpy as np

from packer.first_fit import Groups
from packer.problem import UNLIMITED, Bools, Ints


def trim(groups: Groups, since: int = 0) -> Groups:
    """Move the contents of the rows from `since` on to the cheapest new hosts that take them;
    limits and the quota still hold. Returns the groups."""
    better = cheaper(groups, since)
    for row in np.flatnonzero(better.any(axis=1)).tolist():
        host = cheapest(groups, np.flatnonzero(better[row]), list(groups.contents[since + row]))
        if host is not None:
            groups.move(since + row, host)
    return groups


def cheaper(groups: Groups, since: int) -> Bools:
    """Rows by hosts: new hosts without a limit that cost less and have room for what is there."""
    problem, host = groups.problem, groups.host[since:]
    used = problem.room[host] - groups.left[since:]
    answer = problem.price[None, :] < problem.price[host, None]
    answer &= problem.is_new & (problem.limit >= UNLIMITED)
    for part in range(3):
        answer &= problem.room[None, :, part] >= used[:, None, part]
    if np.isfinite(problem.quota):
        answer &= problem.room[None, :, 0] <= problem.room[host, 0][:, None]
    return answer


def cheapest(groups: Groups, hosts: Ints, demands: list[int]) -> int | None:
    problem = groups.problem
    takes = hosts[problem.allowed[demands][:, hosts].all(axis=0)]
    return int(takes[np.lexsort((takes, problem.price[takes]))[0]]) if len(takes) else None
