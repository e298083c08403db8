"""SubmitJob as a message that a state of Step Functions sends, and its job as the state is told.

What `headgate stepfunctions rewrite` makes states send stands in `stepfunctions.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headgate.errors import InvalidInput, NotFound, Unavailable, UpstreamRefused
from headgate.job import Job
from headgate.sweep import Sweep
from queue_broker.core.submit import Caller
from queue_broker.records import JobId
from queue_broker.wire import jobs, stopping, submit
from queue_broker.wire.capitals import detail_shape, submit_shape, to_capitals, to_wire
from queue_broker.wire.check import checked
from queue_broker.wire.faults import Fault
from queue_broker.wire.names import Place
from queue_broker.wire.service import Answer, Call, Wire

#: HTTP's: what comes again later may be taken.
TOO_MANY, SERVERS_FAULT = 429, 500


@dataclass(frozen=True, slots=True)
class Desk:
    """The wire protocol for who may write to the inbox, which SQS and IAM have settled."""

    wire: Wire

    def to_work(self, asked: Mapping[str, Any]) -> Job | Sweep:
        """What SubmitJob's arguments ask for, in Batch's spelling or in Step Functions'.

        A state's own are rewritten; values that it takes from its input come in its capitals.
        `InvalidInput` in Batch's words; `Unavailable` while AWS cannot say what a definition is.
        """
        try:
            shape = submit_shape()
            call = self._call("SubmitJob", checked(shape, to_wire(shape, asked)))
            job = submit.asked_for(self.wire, call, submit.definition_of(self.wire, call))
            return submit.to_work(job, call.given)
        except Fault as fault:
            raise InvalidInput(f"submitJob: {fault}") from fault
        except UpstreamRefused as error:
            if error.status >= SERVERS_FAULT or error.status == TOO_MANY:
                raise Unavailable(str(error)) from error
            raise

    def tell(self, job_id: JobId) -> Answer:
        """The job as DescribeJobs tells it, in Step Functions' capitals. `NotFound`."""
        found = jobs.abouts(self.wire, self._call("DescribeJobs", {"jobs": [job_id]}))
        if not found:
            raise NotFound(f"there is no job {job_id!r}")
        told: Answer = to_capitals(detail_shape(), found[0].told())
        return told

    def stop(self, job_id: JobId, reason: str) -> None:
        """Idempotent."""
        given = {"jobId": job_id, "reason": reason}
        stopping.terminate(self.wire, self._call("TerminateJob", given))

    def _call(self, operation: str, given: Mapping[str, Any]) -> Call:
        settings = self.wire.settings
        return Call(operation, given, Caller(), Place(settings.aws_region, settings.aws_account))
