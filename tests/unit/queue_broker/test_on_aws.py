from __future__ import annotations

import pytest

from headgate.errors import InvalidInput
from queue_broker.on_aws import address_of_s3, refuse_itself
from queue_broker.settings import AwsSettings, Settings

ELSEWHERE = "http://127.0.0.1:5000"


def test_the_history_goes_where_all_else_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert address_of_s3(AwsSettings(), "eu-central-1") is None
    monkeypatch.setenv("AWS_ENDPOINT_URL", ELSEWHERE)
    assert address_of_s3(AwsSettings(), "eu-central-1") == ELSEWHERE
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"{ELSEWHERE}1")
    assert address_of_s3(AwsSettings(), "eu-central-1") == f"{ELSEWHERE}1"
    named = AwsSettings(endpoint_urls={"s3": "https://minio.example.com"})
    assert address_of_s3(named, "eu-central-1") == "https://minio.example.com"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8470", "http://localhost:8470/"])
def test_a_broker_that_would_ask_itself_does_not_begin(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"AWS_ENDPOINT_URL_BATCH: got .*; allowed: AWS Batch's"):
        refuse_itself(Settings(engine="aws", port=8470), url)


@pytest.mark.parametrize(
    "url", ["https://batch.eu-central-1.amazonaws.com", "http://127.0.0.1:5000", "http://mine:8470"]
)
def test_other_addresses_are_believed(url: str) -> None:
    refuse_itself(Settings(engine="aws", port=8470), url)
