from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from headgate.tenancy import Tenant
from queue_broker.wire.keys import KIND, TWINS_S, AccessKey, Replays, new_key
from tests.unit.queue_broker.wire.batch import Batch, as_text, refusal


@pytest.fixture
def guarded(database_url: str, tmp_path: Path, clock: None) -> Iterator[tuple[Batch, AccessKey]]:
    """A broker with a key of tenant acme, and one job definition."""
    batch = Batch(database_url, tmp_path)
    batch.define()
    key = new_key(batch.broker.shelf, "acme", batch.clock())
    batch.client = batch.speak("batch", key.key_id, key.secret)
    batch.restart()  # it remembers for a few seconds that there were no keys
    yield batch, key
    batch.close()


def test_a_key_speaks_for_its_tenant(guarded: tuple[Batch, AccessKey]) -> None:
    batch, _ = guarded
    job_id: Any = batch.submit()
    assert batch.broker.store.job(job_id).tenant == "acme"


def test_a_request_is_signed_for_the_service_that_it_is_sent_to(
    guarded: tuple[Batch, AccessKey],
) -> None:
    batch, key = guarded
    logs = batch.speak("logs", key.key_id, key.secret)
    assert logs.describe_log_groups()["logGroups"]
    for client, ask in ((logs, logs.describe_log_groups), (batch.client, batch.submit)):
        client._request_signer._signing_name = "s3"
        with pytest.raises(ClientError, match="Credential should be scoped to correct service"):
            ask()


def test_once_there_is_a_key_nobody_is_let_in_without_one(
    guarded: tuple[Batch, AccessKey],
) -> None:
    batch, _ = guarded
    batch.client = batch.speak("batch")
    with pytest.raises(ClientError) as caught:
        batch.submit()
    assert refusal(caught.value)[:2] == ("UnrecognizedClientException", 403)
    answer = batch.send("POST", "/v1/describejobqueues", b"{}", {})
    assert answer.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"


def test_a_wrong_secret_is_refused(guarded: tuple[Batch, AccessKey]) -> None:
    batch, key = guarded
    batch.client = batch.speak("batch", key.key_id, "wrong")
    with pytest.raises(ClientError) as caught:
        batch.submit()
    assert refusal(caught.value)[:2] == ("InvalidSignatureException", 403)


def test_a_clock_twenty_minutes_off_is_refused(guarded: tuple[Batch, AccessKey]) -> None:
    batch, _ = guarded
    batch.clock.now_s += 1200
    with pytest.raises(ClientError, match="Signature expired") as caught:
        batch.submit()
    assert refusal(caught.value)[:2] == ("InvalidSignatureException", 403)


def test_a_replayed_request_is_refused_and_starts_nothing(
    guarded: tuple[Batch, AccessKey],
) -> None:
    batch, _ = guarded
    seen: list[Any] = []
    batch.client.meta.events.register_first(
        "before-send", lambda request, **kwargs: seen.append(request)
    )
    job_id = batch.submit()
    sent = seen[0]
    headers = {name: as_text(value) for name, value in sent.headers.items()}
    answer = batch.send("POST", sent.url, sent.body, headers)
    assert answer.status_code == 403
    assert answer.headers["x-amzn-errortype"] == "InvalidSignatureException"
    batch.restart()  # as another replica, which has not seen the signature
    answer = batch.send("POST", sent.url, sent.body, headers)
    assert answer.json()["jobId"] == job_id
    assert len(batch.broker.store.jobs()) == 1


def test_another_tenants_job_is_not_ones_to_stop(guarded: tuple[Batch, AccessKey]) -> None:
    batch, _ = guarded
    job_id = batch.submit()
    arn = batch.describe(job_id)["jobArn"]
    rival = new_key(batch.broker.shelf, "rival", batch.clock())
    batch.client = batch.speak("batch", rival.key_id, rival.secret)
    with pytest.raises(ClientError) as caught:
        batch.client.terminate_job(jobId=job_id, reason="mine")
    assert refusal(caught.value)[:2] == ("AccessDeniedException", 403)
    with pytest.raises(ClientError, match="AccessDeniedException"):
        batch.client.tag_resource(resourceArn=arn, tags={"whose": "mine"})
    answer = batch.client.terminate_jobs(jobs=[job_id], reason="mine")
    assert answer["successful"] == []
    assert [one["code"] for one in answer["errors"]] == ["AccessDeniedException"]


def test_a_share_identifier_reaches_only_tenants_below_ones_own(
    guarded: tuple[Batch, AccessKey],
) -> None:
    batch, _ = guarded
    batch.broker.store.put_tenant(Tenant(name="below", parent="acme"))
    below: Any = batch.submit(shareIdentifier="below")
    other: Any = batch.submit(shareIdentifier="somebody")
    assert batch.broker.store.job(below).tenant == "below"
    assert batch.broker.store.job(other).tenant == "acme"


def test_a_removed_key_is_let_in_no_longer_were_it_the_last(
    guarded: tuple[Batch, AccessKey],
) -> None:
    batch, key = guarded
    batch.submit()
    kept = batch.broker.shelf.get(KIND, key.key_id)
    assert kept is not None
    batch.broker.shelf.remove(kept)
    batch.clock.now_s += 6
    with pytest.raises(ClientError) as caught:
        batch.submit()
    assert refusal(caught.value)[0] == "UnrecognizedClientException"


def test_a_broker_with_tokens_wants_keys(database_url: str, tmp_path: Path) -> None:
    batch = Batch(database_url, tmp_path, tokens={"t": "acme"})
    with pytest.raises(ClientError) as caught:
        batch.define()
    batch.close()
    assert refusal(caught.value)[0] == "UnrecognizedClientException"


def test_twins_of_one_second_are_let_in_and_replays_are_not() -> None:
    seen = Replays()
    assert seen.first("signature", "call 1", 0.0)
    assert seen.first("signature", "call 2", 1.0)
    assert not seen.first("signature", "call 1", 1.0)
    assert not seen.first("signature", "call 3", TWINS_S + 1)
    assert seen.first("another", "call 1", 1.0)


def test_signatures_are_forgotten_when_they_are_valid_no_longer() -> None:
    seen = Replays()
    for at in range(100):
        assert seen.first(f"signature {at}", "", float(at))
    assert seen.first("late", "", 10_000.0)
    assert len(seen) == 1
