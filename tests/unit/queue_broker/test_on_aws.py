from __future__ import annotations

import pytest

from queue_broker.on_aws import address_of_s3
from queue_broker.settings import AwsSettings

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
