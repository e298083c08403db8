"""The parts of a broker, wired together."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from headgate.errors import InvalidInput, Unavailable
from headgate.job import Job
from headgate.lifecycle import Cause, State
from headgate.resources import ResourceRequest, Resources
from headgate.sweep import Sweep
from headgate.usage import Observation
from queue_broker.adapters.store.store import SqlStore
from queue_broker.broker import Broker
from queue_broker.core.submit import Caller
from queue_broker.main import build, serve
from queue_broker.settings import Settings
from tests.contract.engines import wait_until
from tests.contract.stores import leak_all, make_runnable
from tests.factories import a_job, a_submission, a_usage, ends


def test_a_folder_that_another_broker_has_is_refused_at_the_start(tmp_path: Path) -> None:
    first = build(Settings(data_dir=tmp_path))
    first.store.try_lead()
    told: list[str] = []
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as listener,
            pytest.raises(
                InvalidInput, match=r"data_dir: got .*; allowed: .* another broker runs on"
            ),
        ):
            serve(Settings(data_dir=tmp_path), listener, ready=lambda: told.append("up"))
    finally:
        first.stop()
    assert not told


def test_a_stop_while_the_engine_is_away_is_a_stop_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away() -> None:
        raise Unavailable("AWS is away")

    broker = build(Settings(data_dir=tmp_path))
    broker.lead()
    monkeypatch.setattr(broker, "cycle", SimpleNamespace(run_observe=away))

    broker.stop()

    assert "the last look failed: AWS is away" in caplog.text
    again = build(Settings(data_dir=tmp_path))
    assert again.store.try_lead()
    again.stop()


def test_a_broker_is_unready_for_its_cycle_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = build(Settings(data_dir=tmp_path))
    away = {name: SimpleNamespace(problem=f"{name}: away") for name in ("cycle", "keeping")}
    monkeypatch.setattr(broker, "loops", away)
    monkeypatch.setattr(broker.forecaster, "problem", "the model v2 was refused")

    assert broker.problems() == ["cycle: away"]
    assert broker.troubles() == ["keeping: away", "the model v2 was refused"]
    monkeypatch.undo()
    broker.stop()


def test_a_history_that_is_away_at_the_start_is_read_back_when_it_is_there_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("queue_broker.broker.REPLAY_AGAIN_S", 0.0)
    broker = build(Settings(data_dir=tmp_path))
    lake, told = broker.lake, []
    lake.write([attempt(time.time() - 60)], "before")
    lake.write([attempt(time.time() + 60)], "since")  # and learnt as it ended

    def read(limit: int | None = None) -> pd.DataFrame:
        told.append(broker.troubles())
        if len(told) < 3:
            raise Unavailable("S3 is away")
        return lake.read(limit=limit)

    monkeypatch.setattr(broker, "lake", SimpleNamespace(read=read))
    try:
        broker.remember()
        families = broker.forecaster.explain(a_job(), "cost").families
    finally:
        broker.stop()

    problem = "the history was not read back yet: S3 is away"
    assert told == [[], [problem], [problem]]
    assert caplog.messages.count(problem) == 1
    assert broker.troubles() == []
    assert set(families.values()) == {1}


def attempt(finished_at_s: float) -> Observation:
    return Observation(a_job(), a_usage(), Cause.EXITED, 0, 1, finished_at_s, Resources(1.0, 1024))


def test_a_file_that_is_no_database_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "headgate.db").write_text("no database at all, though long enough to be one" * 9)

    with pytest.raises(Unavailable, match="file is not a database"):
        build(Settings(data_dir=tmp_path))


def test_a_leader_estimates_what_comes_in_and_leaves_nothing_of_it_submitted(
    tmp_path: Path,
) -> None:
    broker = build(Settings(data_dir=tmp_path))
    try:
        assert submit(broker) is State.SUBMITTED  # nobody leads yet
        broker.lead()
        assert submit(broker) is State.RUNNABLE
        broker.leading = False
        assert submit(broker) is State.SUBMITTED
    finally:
        broker.stop()


def test_who_follows_knows_what_ended_under_another_and_leads_with_it(tmp_path: Path) -> None:
    broker = build(Settings(data_dir=tmp_path))
    try:
        broker.following.begin()
        ended_elsewhere(broker, "a")
        broker.following.run()
        followed = broker.forecaster.explain(a_job(), "cost")
        ended_elsewhere(broker, "b")
        broker.lead()
        led = broker.forecaster.explain(a_job(), "cost")
        ended_elsewhere(broker, "c")
        broker.following.run()  # a leader hears of it by itself
        assert broker.forecaster.explain(a_job(), "cost").families == led.families
    finally:
        broker.stop()

    assert set(followed.families.values()) == {1}
    assert set(led.families.values()) == {2}


def ended_elsewhere(broker: Broker, token: str) -> None:
    store = broker.store
    assert isinstance(store, SqlStore)
    make_runnable(store, a_submission(token))
    for leak in leak_all(store):
        store.settle(ends(leak))


def submit(broker: Broker) -> State:
    job = Job(name="one", command=("true",))
    accepted = asyncio.run(broker.submitter.submit(job, Caller()))
    return broker.store.job(accepted.job_id).state


def test_who_waits_for_room_starts_when_a_task_ends_and_not_at_the_next_pass(
    tmp_path: Path,
) -> None:
    broker = build(Settings(data_dir=tmp_path, local_vcpu=1, cycle_period_s=60))
    job = Job(name="one-by-one", command=("sleep", "0.2"), resources=ResourceRequest(vcpu=1))
    broker.start()
    try:
        sweep = Sweep(job=job, size=3)
        accepted = asyncio.run(broker.submitter.submit(sweep, Caller()))

        def ended() -> int:
            return broker.store.job(accepted.job_id).counts.get(State.SUCCEEDED, 0)

        wait_until(lambda: ended() == 3)
    finally:
        broker.stop()
