"""The page of a job: its states, one task's attempts, why the estimate is as it is, its log."""

from __future__ import annotations

import math
from typing import Any

import pytest

from headgate.lifecycle import Cause
from headgate.resources import ResourceRequest
from headgate.sweep import Grid, Sweep
from predictor.explanation import Explanation, Neighbour
from queue_broker.dashboard import jobpage
from queue_broker.records import Leak, Tasks
from queue_broker.verdicts import Fail, Retry
from tests.factories import START_S, a_job, an_estimate
from tests.unit.queue_broker.dashboard.window import Window, words


def page(window: Window, leak: Leak, query: str = "") -> str:
    answer = window.client.get(f"/dashboard/jobs/{leak.job_id}{query}")
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_sweep_shows_its_tasks_by_state(window: Window) -> None:
    leak = window.run(Sweep(job=a_job("sweep"), size=10))
    window.finish(leak, tasks=range(6))
    window.finish(leak, tasks=[6, 7], verdict=Fail("exit code 1"), exit_code=1)
    said = words(page(window, leak))
    assert "RUNNING 2 SUCCEEDED 6 FAILED 2" in said
    assert "Failed: 6 , 7" in said
    assert "more" not in said


def test_of_many_that_failed_the_first_are_named_and_the_rest_counted(window: Window) -> None:
    leak = window.run(Sweep(job=a_job("sweep"), size=2_000))
    window.finish(leak, tasks=range(2_000), verdict=Fail("exit code 1"), exit_code=1)
    assert "6 , 7 and 1,992 more" in words(page(window, leak))


def test_a_task_shows_its_command_its_attempts_and_their_ends(window: Window) -> None:
    job = a_job("sweep").model_copy(update={"command": ("train", "--depth", "Ref::depth")})
    leak = window.run(Sweep(job=job, grid=Grid(axes={"depth": (3, 5)})))
    bigger = Retry(an_estimate(8192, memory_kills=1), "8192 MiB next")
    window.finish(leak, tasks=[1], verdict=bigger, cause=Cause.OUT_OF_MEMORY, exit_code=137)
    window.run_waiting(leak.job_id)
    said = words(page(window, leak, "?task=1"))
    assert "train --depth 5" in said
    assert "1 big 4.00 GiB 2.00 GiB" in said
    assert "out of memory 137 8192 MiB next" in said
    assert "2 big 8.00 GiB –" in said


def test_estimates_are_listed_by_group_with_who_spoke(window: Window) -> None:
    leak = window.run(Sweep(job=a_job(), size=10))
    assert "4.00 GiB 2.40 GiB – 3.60 GiB 1.00 1 min 0 s – 2 min 0 s request" in words(
        page(window, leak)
    )


def test_what_is_held_says_why_on_its_page_too(window: Window) -> None:
    leak = window.run(Sweep(job=a_job(), size=10))
    window.edge.store.handed_over([], 0.0)
    job_id = window.submit(a_job("waiting"))
    window.edge.estimate(job_id)
    group = window.edge.store.groups(job_id)[0]
    window.edge.store.hold({group.group_id: "no room on any lane"})
    said = words(window.client.get(f"/dashboard/jobs/{job_id}").text)
    assert "held: no room on any lane" in said
    assert "It has not been started yet." in said
    assert "held" not in words(page(window, leak))


def test_why_says_the_source_and_what_would_be_given_now(window: Window) -> None:
    leak = window.run(a_job(resources=ResourceRequest(memory_mib=4096)))
    window.finish(leak)
    said = words(page(window, leak))
    assert "Why this estimate Source request Would get now 4.00 GiB" in said


def an_explanation(**fields: Any) -> Explanation:
    return Explanation(an_estimate(), **({"families": {}, "contributions": {}} | fields))


def test_contributions_are_told_as_factors_the_strongest_first() -> None:
    pushes = {"weak": 0.1, "up": math.log(4), "down": math.log(0.5)}
    told = jobpage.shares(an_explanation(contributions=pushes))
    assert [(share.name, share.width) for share in told[:2]] == [("up", 1.0), ("down", 0.5)]
    assert [share.factor for share in told[:2]] == pytest.approx([4.0, 0.5])


def test_why_names_the_nearest_past_attempts_and_the_cheapest_way(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    near = Neighbour(START_S - 3600, 2048.0, 75.0, {"parameter.depth": 8.0})
    far = Neighbour(START_S - 7200, 4096.0, 90.0, {"parameter.depth": 16.0})
    said = an_explanation(
        neighbours=(near, far), families={"train?depth": 12}, prices={"dear": 2.0, "cheap": 0.5}
    )
    monkeypatch.setattr(window.board.forecaster, "explain", lambda job, mode: said)
    told = words(page(window, window.run()))
    assert "1 h ago 2.00 GiB 1 min 15 s parameter.depth 8 2 h ago" in told
    assert "train?depth 12" in told
    assert "cheap 0.500 dear 2.00" in told


def test_a_learnt_history_explains_the_next_task(window: Window) -> None:
    leak = window.run()
    window.finish(leak)
    learnt, _ = window.edge.store.observations(0, 10)
    window.board.forecaster.observe(learnt * 5)
    told = words(page(window, leak))
    assert "Source family" in told
    assert "Its nearest past attempts" in told


def test_the_end_of_the_log_is_shown_and_read_on_from_there(window: Window) -> None:
    leak = window.run()
    window.edge.fleet.texts[leak.name, 0] = "x" * 200_000 + "the last line\n"
    path = f"/dashboard/jobs/{leak.job_id}"
    page = window.client.get(path).text
    assert "the last line\n</pre>" in page
    assert f"All of it: <code>headgate logs {leak.job_id}" in page
    first = window.live(f"{path}/live")["log"]
    assert (first["text"][-14:], len(first["text"]), first["fresh"]) == (
        "the last line\n",
        16_000,
        True,
    )
    window.edge.fleet.texts[leak.name, 0] += "and one more\n"
    more = window.live(f"{path}/live", log=first["cursor"])["log"]
    assert (more["text"], more["fresh"]) == ("and one more\n", False)


def test_the_log_of_a_new_attempt_replaces_the_old_one(window: Window) -> None:
    leak = window.run()
    window.edge.fleet.texts[leak.name, 0] = "first try\n"
    path = f"/dashboard/jobs/{leak.job_id}/live"
    cursor = window.live(path)["log"]["cursor"]
    window.finish(leak, verdict=Retry(an_estimate(8192), "again"), exit_code=1)
    second = window.run_waiting(leak.job_id, tasks=Tasks([0]))
    window.edge.fleet.texts[second.name, 0] = "second try\n"
    log = window.live(path, log=cursor)["log"]
    assert (log["text"], log["fresh"]) == ("second try\n", True)


def test_a_job_that_is_not_there_is_a_page_for_people_and_json_for_scripts(window: Window) -> None:
    people = window.client.get("/dashboard/jobs/nope", headers={"accept": "text/html"})
    assert (people.status_code, "Not found" in words(people.text)) == (404, True)
    assert 'id="live"' not in people.text  # there is nothing to refresh
    script = window.client.get("/dashboard/jobs/nope/live")
    assert (script.status_code, script.json()["error"]) == (404, "not_found")


def test_a_task_beyond_the_end_says_which_there_are(window: Window) -> None:
    leak = window.run(Sweep(job=a_job(), size=3))
    answer = window.client.get(f"/dashboard/jobs/{leak.job_id}?task=3")
    assert (answer.status_code, "tasks 0 to 2" in answer.json()["message"]) == (404, True)
