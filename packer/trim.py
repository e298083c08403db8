"""The last look at each instance: what is on it may fit on a cheaper type."""

from __future__ import annotations

import numpy as np

from packer.first_fit import Groups
from packer.problem import UNLIMITED, Bools, Ints


def trim(groups: Groups) -> Groups:
    """The same contents, each on the cheapest new host that takes them; limits and quota still
    hold."""
    problem, answer = groups.problem, Groups(groups.problem)
    better = cheaper(groups)
    for group, contents in enumerate(groups.contents):
        host = int(groups.host[group])
        if problem.is_new[host] and not contents:
            continue
        if better[group].any():
            host = cheapest(groups, np.flatnonzero(better[group]), list(contents), host)
        answer.put(host, int(groups.instances[group]), contents)
    return answer


def cheaper(groups: Groups) -> Bools:
    """Groups by hosts: new hosts without a limit that cost less and have room for what is there."""
    problem = groups.problem
    used = problem.room[groups.host] - groups.left
    answer = problem.price[None, :] < problem.price[groups.host, None]
    answer &= problem.is_new & (problem.limit >= UNLIMITED)
    for part in range(3):
        answer &= problem.room[None, :, part] >= used[:, None, part]
    if np.isfinite(problem.quota):
        answer &= problem.room[None, :, 0] <= problem.room[groups.host, 0][:, None]
    return answer


def cheapest(groups: Groups, hosts: Ints, demands: list[int], otherwise: int) -> int:
    problem = groups.problem
    takes = hosts[problem.allowed[demands][:, hosts].all(axis=0)]
    if not len(takes):
        return otherwise
    return int(takes[np.lexsort((takes, problem.price[takes]))[0]])
