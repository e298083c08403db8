"""Real clients of AWS Batch, unmodified, in processes of their own.

They are looked for in this environment, or in the one whose Python HEADGATE_TEST_CLIENTS names:
some of them (redun, Airflow) want other versions of what Headgate stands on.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from tests.acceptance.brokers import Broker, running

PYTHON = os.environ.get("HEADGATE_TEST_CLIENTS", sys.executable)
PATIENCE_S = 600


def need(module: str) -> None:
    """Skip unless the client's package is there."""
    known = subprocess.run([PYTHON, "-c", f"import {module}"], capture_output=True, check=False)
    if known.returncode:
        pytest.skip(f"{module} is not installed for {PYTHON} (see HEADGATE_TEST_CLIENTS)")


@dataclass(frozen=True, slots=True)
class Site:
    """A broker, S3 by moto, and the environment that points clients at both."""

    broker: Broker
    folder: Path
    env: Mapping[str, str]

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the clients' Python; the test fails with its output if it takes too long."""
        return self.command(PYTHON, *arguments)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command that stands beside the clients' Python."""
        return subprocess.run(
            arguments,
            env=dict(self.env),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def batch(self) -> Any:
        """A client of the broker."""
        return speak("batch", self.broker.url)

    def make_bucket(self, name: str) -> None:
        speak("s3", self.env["AWS_ENDPOINT_URL"]).create_bucket(Bucket=name)


def speak(service: str, url: str) -> Any:
    """A client of boto3 that signs with any key."""
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """Everything up. Jobs find the clients' Python on their PATH, as in their image."""
    s3 = ThreadedMotoServer(port=0, verbose=False)
    s3.start()
    host, port = s3.get_host_and_port()
    # What the site before this one kept: moto remembers it for the whole process.
    httpx.post(f"http://{host}:{port}/moto-api/reset").raise_for_status()
    aws = {
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PATH": f"{Path(PYTHON).parent}{os.pathsep}{os.environ['PATH']}",
        "METAFLOW_SKIP_INSTALL_DEPENDENCIES": "1",
    }
    try:
        with running(folder / "data", **aws) as broker:
            own = {
                "AWS_ENDPOINT_URL_BATCH": broker.url,
                "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": broker.url,
                "HOME": str(folder),
            }
            yield Site(broker, folder, {**os.environ, **aws, **own})
    finally:
        s3.stop()
