"""The last look at each instance: what is on it may fit on a cheaper type."""

from __future__ import annotations

import numpy as np

from packer.first_fit import Groups
from packer.problem import UNLIMITED, Ints


def trim(groups: Groups) -> Groups:
    """The same contents, each on the cheapest new host that takes them; limits and quota still hold."""
    problem, answer = groups.problem, Groups(groups.problem)
    free = problem.is_new & (problem.limit >= UNLIMITED)
    used = problem.room[groups.host] - groups.left
    for group, contents in enumerate(groups.contents):
        host = int(groups.host[group])
        if problem.is_new[host] and not contents:
            continue
        cheaper = np.flatnonzero(
            free
            & (problem.price < problem.price[host])
            & (problem.room >= used[group]).all(axis=1)
            & ((problem.room[:, 0] <= problem.room[host, 0]) | np.isinf(problem.quota))
        )
        if problem.is_new[host] and len(cheaper):
            host = cheapest(groups, cheaper, list(contents), host)
        answer.put(host, int(groups.instances[group]), contents)
    return answer


def cheapest(groups: Groups, hosts: Ints, demands: list[int], otherwise: int) -> int:
    problem = groups.problem
    takes = hosts[problem.allowed[demands][:, hosts].all(axis=0)]
    if not len(takes):
        return otherwise
    return int(takes[np.lexsort((takes, problem.price[takes]))[0]])
