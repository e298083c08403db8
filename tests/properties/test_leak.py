"""What holds of every decision, whatever waits, runs and is offered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.resources import Resources
from headgate.tenancy import DEFAULT_TIERS, Quota, Tenant
from queue_broker.core import leak as leaking
from queue_broker.core.amounts import Amount, amount
from queue_broker.core.debts import Debts, price_s
from queue_broker.core.fairness import Order
from queue_broker.core.leak import Decision, Snapshot, decide
from queue_broker.core.policy import Policy, World
from queue_broker.core.tenant_tree import Tree
from queue_broker.core.window import Window
from queue_broker.core.yard import Yard
from queue_broker.records import Changes, Group, Lane, Leak
from tests.unit.queue_broker.core.scenes import NOW_S, a_group, a_lane, a_leak, leaked

RANK = {tier.name: tier.rank for tier in DEFAULT_TIERS}
TENANTS = ["a", "b", "org/x", "org/y"]


@dataclass(frozen=True)
class Scene:
    groups: Sequence[Group]
    lanes: Sequence[Lane]
    leaks: Sequence[Leak]
    tenants: Sequence[Tenant] = ()
    owed: float = 0.0
    due: bool = True

    def snapshot(self, **fields: object) -> Snapshot:
        return Snapshot(
            groups=self.groups,
            leaks=self.leaks,
            lanes=self.lanes,
            tiers=DEFAULT_TIERS,
            now_s=NOW_S,
            tree=Tree.of(self.tenants),
            debts=Debts({"sweep": self.owed}, due={"sweep"} if self.due else set()),
            **fields,  # type: ignore[arg-type]
        )

    def decide(self) -> Decision:
        return decide(self.snapshot())


@st.composite
def groups(draw: st.DrawFn, number: int) -> Group:
    return a_group(
        number,
        draw(st.integers(1, 30)),
        tenant=draw(st.sampled_from(TENANTS)),
        tier=draw(st.sampled_from(sorted(RANK))),
        vcpu=draw(st.sampled_from([0.5, 1, 2, 3])),
        memory_mib=draw(st.sampled_from([512, 4_096, 12_000])),
        runtime_s=draw(st.sampled_from([10.0, 100.0, 10_000.0])),
        priority=draw(st.integers(0, 2)),
        queued_at_s=draw(st.sampled_from([0.0, 5_000.0, 9_999.0])),
    )


@st.composite
def scenes(draw: st.DrawFn, *, quotas: bool = False, uniform: bool = False) -> Scene:
    lanes = [
        a_lane(
            f"lane-{i}", vcpu=draw(st.sampled_from([2, 4, 8])), instances=draw(st.integers(1, 3))
        )
        for i in range(draw(st.integers(1, 3)))
    ]
    waiting = [draw(groups(number)) for number in range(draw(st.integers(0, 6)))]
    if uniform:
        waiting = [
            a_group(g.group_id, len(g.waiting), tenant=g.tenant, tier=g.tier) for g in waiting
        ]
    running = [
        a_leak(number, draw(groups(100 + number)), lane=draw(st.sampled_from(lanes)).name, tasks=1)
        for number in range(draw(st.integers(0, 2)))
    ]
    tenants = [
        Tenant(name=name, quota=Quota(vcpu=draw(st.integers(0, 8))), borrow=draw(st.booleans()))
        for name in ("a", "org", "org/x")
    ]
    return Scene(
        groups=waiting,
        lanes=lanes,
        leaks=running,
        tenants=tenants if quotas else (),
        owed=draw(st.sampled_from([0.0, 3.0])),
        due=draw(st.booleans()),
    )


def used(scene: Scene, decision: Decision) -> dict[str, Amount]:
    held: dict[str, Amount] = {lane.name: Amount() for lane in scene.lanes}
    for leak in scene.leaks:
        held[leak.lane] = held[leak.lane].plus(amount(leak.allocation), len(leak.open))
    for intent in decision.intents:
        held[intent.lane] = held[intent.lane].plus(amount(intent.allocation), len(intent.tasks))
    return held


@given(scenes())
@settings(max_examples=60, deadline=None)
def test_no_lane_is_given_more_than_it_has(scene: Scene) -> None:
    before, after = used(scene, Decision((), {})), used(scene, scene.decide())
    for lane in scene.lanes:
        total = amount(lane.shape * lane.instances)
        assert after[lane.name] == before[lane.name] or after[lane.name].within(total)


@given(scenes())
@settings(max_examples=60, deadline=None)
def test_no_task_goes_twice_and_only_waiting_ones_go(scene: Scene) -> None:
    waiting = {group.group_id: group.waiting for group in scene.groups}
    seen: Counter[tuple[int, int]] = Counter()
    for intent in scene.decide().intents:
        assert intent.tasks <= waiting[intent.group_id]
        seen.update((intent.group_id, task) for task in intent.tasks)
    assert not seen or max(seen.values()) == 1


@given(scenes())
@settings(max_examples=60, deadline=None)
def test_every_group_that_still_waits_has_its_reason(scene: Scene) -> None:
    decision = scene.decide()
    gone = leaked(decision)
    short = {g.group_id for g in scene.groups if gone.get(g.group_id, 0) < len(g.waiting)}
    assert set(decision.holds) == short
    assert all(decision.holds.values())


@given(scenes(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_the_input_changes_nothing(scene: Scene, random: object) -> None:
    mixed = list(scene.groups)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    other = replace(scene, groups=mixed)
    one, two = scene.decide(), other.decide()
    assert (one.intents, one.holds) == (two.intents, two.holds)


@given(scenes(uniform=True))
@settings(max_examples=60, deadline=None)
def test_no_tier_goes_before_a_higher_one_beyond_what_it_is_owed(scene: Scene) -> None:
    decision = scene.decide()
    gone = leaked(decision)
    fleet = Yard.of(scene.lanes).fleet
    for group in scene.groups:
        passed = [g for g in left(scene.groups, decision) if RANK[g.tier] < RANK[group.tier]]
        if passed:
            bends = scene.due or not any(RANK[g.tier] == 0 for g in passed)
            worth_s = gone.get(group.group_id, 0) * price_s(group, fleet, 60.0)
            assert worth_s <= (scene.owed if group.tier == "sweep" and bends else 0.0) + 1e-9


@given(scenes())
@settings(max_examples=60, deadline=None)
def test_nobody_waits_while_an_idle_lane_could_hold_them(scene: Scene) -> None:
    """Work-conserving: only the room that is kept for the head of the queue may stay empty."""
    decision = scene.decide()
    held = used(scene, decision)
    idle = [lane for lane in scene.lanes if held[lane.name] == Amount()]
    gone = leaked(decision)
    for group in scene.groups:
        if gone.get(group.group_id, 0) == len(group.waiting) or group.estimate is None:
            continue
        assert not any(group.estimate.allocation.fits(lane.shape) for lane in idle)


@given(scenes(quotas=True))
@settings(max_examples=100, deadline=None)
def test_quotas_are_never_passed_by_what_is_leaked(scene: Scene) -> None:
    decision, tree = scene.decide(), Tree.of(scene.tenants)
    before = by_tenant(scene, tree, Decision((), {}))
    after = by_tenant(scene, tree, decision)
    for tenant in scene.tenants:
        assert tenant.quota is not None
        assert tenant.quota.vcpu is not None
        most = tenant.quota.vcpu
        if tenant.borrow:
            family = [
                t for t in scene.tenants if tree.path(t.name)[:-1] == tree.path(tenant.name)[:-1]
            ]
            if not all(one.borrow for one in family):
                continue  # a sibling's debts from before bound it too; its own test is above
            most = sum(one.quota.vcpu or 0 for one in family if one.quota)
            together = sum(after[one.name] for one in family)
            assert together <= max(most, sum(before[one.name] for one in family))
        else:
            assert after[tenant.name] <= max(most, before[tenant.name])


def by_tenant(scene: Scene, tree: Tree, decision: Decision) -> dict[str, float]:
    held: dict[str, float] = dict.fromkeys([tenant.name for tenant in scene.tenants], 0.0)
    whose = {group.group_id: group.tenant for group in scene.groups}
    holding = [(leak.tenant, leak.allocation, len(leak.open)) for leak in scene.leaks]
    holding += [(whose[i.group_id], i.allocation, len(i.tasks)) for i in decision.intents]
    for tenant, allocation, tasks in holding:
        for name in tree.path(tenant):
            if name in held:
                held[name] += allocation.vcpu * tasks
    return held


@given(scenes())
@settings(max_examples=60, deadline=None)
def test_backfill_leaves_the_head_its_place(scene: Scene) -> None:
    """With backfill or without, the head of the queue fits no later by the predicted ends."""
    head = a_group(999, tier="production", vcpu=8, memory_mib=16_384, queued_at_s=0.0)
    lanes = [a_lane("wide", vcpu=8)]
    leaks = [a_leak(1, a_group(50, vcpu=4, runtime_s=100.0), lane="wide")]
    behind = [group for group in scene.groups if group.tier != "production"]
    decision = Scene([head, *behind], lanes, leaks).decide()
    others = [intent for intent in decision.intents if intent.group_id != 999]
    group_of = {group.group_id: group for group in scene.groups}
    for intent in others:
        estimate = group_of[intent.group_id].estimate
        assert estimate is not None
        assert estimate.runtime_s.p95 <= 100.0


@given(st.integers(1, 40), st.sampled_from([0.25, 1.0, 4.0]))
@settings(max_examples=30, deadline=None)
def test_a_starved_tier_gets_its_minimum_share_in_the_long_run(tasks: int, vcpu: float) -> None:
    """Production always has work; the sweep still starts once its share is due and pays for it."""
    lanes = [a_lane()]
    sweep = a_group(1, tasks, vcpu=vcpu, runtime_s=60.0)
    production = a_group(2, 999, tier="production")
    debts, fleet = Debts(), Yard.of(lanes).fleet
    bound_s = max(price_s(sweep, fleet, 60.0) / 0.05 + 1, DEFAULT_TIERS[2].promise_s)
    debts.accrue(DEFAULT_TIERS, {"sweep": 0.0, "production": 1.0}, bound_s)
    snapshot = Scene([sweep, production], lanes, []).snapshot()
    decision = decide(
        Snapshot(
            groups=snapshot.groups,
            leaks=[],
            lanes=lanes,
            tiers=DEFAULT_TIERS,
            now_s=NOW_S,
            debts=debts,
        )
    )
    assert leaked(decision).get(1, 0) >= 1


def test_the_resources_of_an_intent_are_the_estimate_s() -> None:
    decision = Scene([a_group(1, vcpu=2)], [a_lane()], []).decide()
    assert decision.intents[0].allocation == Resources(2, 1024)


@st.composite
def ones(draw: st.DrawFn, number: int) -> Group:
    """Tasks of an eighth to a half of a lane each, of any tier and length."""
    return a_group(
        number,
        draw(st.integers(1, 30)),
        vcpu=draw(st.sampled_from([0.5, 1.0, 2.0])),
        tenant=draw(st.sampled_from(TENANTS)),
        tier=draw(st.sampled_from(sorted(RANK))),
        runtime_s=draw(st.sampled_from([0.1, 7.0, 100.0])),
    )


@given(st.data(), st.sampled_from([1.0, 10.0, 60.0]))
@settings(max_examples=60, deadline=None)
def test_no_tier_is_inverted_beyond_the_window(data: st.DataObject, limit_s: float) -> None:
    """All lanes are full, so that what goes queues ahead of whoever comes next, of any tier: never
    more of it than the window, none of the first tier, and none past a higher tier that waits."""
    waiting = [data.draw(ones(number)) for number in range(data.draw(st.integers(1, 5)))]
    lanes = [a_lane(name, queues=True) for name in ("one", "two")]
    full = [a_leak(at, a_group(90 + at, 4), lane=lane.name) for at, lane in enumerate(lanes)]
    windows = {lane.name: Window(limit_s=limit_s) for lane in lanes}
    decision = decide(Scene(waiting, lanes, full).snapshot(windows=windows))
    group_of = {group.group_id: group for group in waiting}
    queued_s = dict.fromkeys(windows, 0.0)
    for intent in decision.intents:
        group = group_of[intent.group_id]
        assert RANK[group.tier] > 0
        assert not any(RANK[other.tier] < RANK[group.tier] for other in left(waiting, decision))
        assert group.estimate is not None
        each_s = intent.allocation.vcpu / 4 * max(1.0, group.estimate.runtime_s.p50)
        queued_s[intent.lane] += len(intent.tasks) * each_s
    assert all(ahead_s <= limit_s + 1e-9 for ahead_s in queued_s.values())


def left(waiting: Sequence[Group], decision: Decision) -> list[Group]:
    """Those of which some still wait."""
    gone = leaked(decision)
    return [group for group in waiting if gone.get(group.group_id, 0) < len(group.waiting)]


@given(st.data(), st.integers(1, 5), st.booleans())
@settings(max_examples=100, deadline=None)
def test_who_is_passed_over_would_have_found_no_place(
    data: st.DataObject, most: int, quotas: bool
) -> None:
    """To pass over those of whom it is known must not change what each of them would be told, nor
    how deep backfill is looked for."""
    scene = data.draw(scenes(quotas=quotas))
    waiting = [data.draw(groups(200 + number)) for number in range(12)]
    scene = replace(scene, groups=[*scene.groups, *waiting])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leaking, "MOST_FRUITLESS", most)
        passed_over = scene.decide()
        patch.setattr(Order, "pass_over", lambda order, refused, most: [])
        assert passed_over == scene.decide()


@given(st.sampled_from([0.5, 1.0, 2.0]), st.integers(0, 3))
@settings(max_examples=10, deadline=None)
def test_no_tier_starves_beyond_its_bound_though_production_never_ends(
    vcpu: float, offset: int
) -> None:
    """Pass after pass, each task a pass long. Once it is due the whole share is sure; at any time
    less at most a minute of it and the one task that is saved up for."""
    patience_s = 300.0
    tiers = [tier.model_copy(update={"promise_s": patience_s}) for tier in DEFAULT_TIERS]
    lane, policy = a_lane(), Policy(headroom=None, preempts=False)
    sweep = a_group(1, 999, vcpu=vcpu, runtime_s=10.0)
    production = a_group(2, 9_999, tier="production", runtime_s=10.0)
    share, of_fleet, had_s = DEFAULT_TIERS[2].min_share, vcpu / 4, 0.0
    task_s = price_s(sweep, Yard.of([lane]).fleet, 10.0)
    leaks, gone = list[Leak](), list[str]()
    for number in range(150):
        now_s = NOW_S + 10.0 * number + offset
        changes = Changes(leaks, gone)
        decision = policy.decide([sweep, production], changes, [lane], World(tiers, (), now_s))
        groups_of = {sweep.group_id: sweep, production.group_id: production}
        gone = [leak.name for leak in leaks]
        leaks = [
            a_leak(at, groups_of[intent.group_id], tasks=len(intent.tasks))
            for at, intent in enumerate(decision.intents, 10 * number)
        ]
        had_s += leaked(decision).get(1, 0) * of_fleet * 10.0
        assert had_s >= share * (10.0 * number - patience_s) - (60.0 * share + task_s)
