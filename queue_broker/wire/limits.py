"""AWS Batch's documented limits that its service model lacks.

Source: the API reference and "Service quotas" of AWS Batch, API version 2016-08-10. `words` are the
service's own where they have been published (each seen in a public issue report).
"""

from __future__ import annotations

from dataclasses import dataclass

from headgate.job import (
    MAX_ATTEMPTS,
    MAX_DEPENDENCIES,
    MAX_EXIT_RULES,
    MAX_SWEEP_SIZE,
    MIN_TIMEOUT_S,
)

#: One SubmitJob request, in bytes.
MAX_SUBMIT_BYTES = 30 * 1024
#: Any other request; far above what any of them may hold.
MAX_BODY_BYTES = 1 << 20
#: What one DescribeJobs, DescribeJobQueues, ... names.
MAX_NAMED = 100
#: What one CancelJobs or TerminateJobs names.
MAX_STOPPED = 50
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}"


@dataclass(frozen=True, slots=True)
class Limit:
    """Bounds of a number, or of the length of a text, list or map."""

    least: float | None = None
    most: float | None = None
    pattern: str | None = None
    words: str | None = None


DEPENDENCIES = Limit(
    most=MAX_DEPENDENCIES, words=f"Job cannot have more than {MAX_DEPENDENCIES} dependencies"
)
JOB_NAME = Limit(pattern=NAME, words="Job name should match valid pattern")
#: Arrays beyond 10,000 children are our extension: Headgate hands them on in slices.
ARRAY = Limit(least=2, most=MAX_SWEEP_SIZE)
ONE_FILTER = Limit(most=1, words="Only one filter key-value pair can be specified.")
TOO_MANY_JOBS = f"Maximum number of jobs supported is {MAX_NAMED} ."
SHARE = Limit(least=1, most=255, pattern=r"[A-Za-z0-9][A-Za-z0-9_.-]*")
PAGE = Limit(least=1, most=1000)
IMAGE = Limit(most=255)
CONTAINERS = Limit(most=10)
USER_ID = Limit(least=0, most=2**31 - 1)
#: Seconds.
TIMEOUT = Limit(least=2)
ULIMITS = (
    "core|cpu|data|fsize|locks|memlock|msgqueue|nice|nofile|nproc|rss|rtprio|rttime|sigpending"
    "|stack"
)

#: By the shape's name in the model and the member's.
LIMITS: dict[tuple[str, str], Limit] = {
    ("ArrayProperties", "size"): ARRAY,
    ("CancelJobRequest", "jobId"): Limit(least=1),
    ("CancelJobRequest", "reason"): Limit(least=1, most=1024),
    ("CancelJobsRequest", "jobs"): Limit(least=1, most=MAX_STOPPED),
    ("CancelJobsRequest", "reason"): Limit(least=1, most=1024),
    ("ContainerProperties", "image"): IMAGE,
    ("CreateComputeEnvironmentRequest", "computeEnvironmentName"): Limit(pattern=NAME),
    ("CreateJobQueueRequest", "jobQueueName"): Limit(pattern=NAME),
    ("CreateJobQueueRequest", "computeEnvironmentOrder"): Limit(most=3),
    ("CreateJobQueueRequest", "priority"): Limit(least=0, most=1000),
    ("CreateSchedulingPolicyRequest", "name"): Limit(pattern=NAME),
    ("DescribeComputeEnvironmentsRequest", "computeEnvironments"): Limit(most=MAX_NAMED),
    ("DescribeJobDefinitionsRequest", "jobDefinitions"): Limit(most=MAX_NAMED),
    ("DescribeJobQueuesRequest", "jobQueues"): Limit(most=MAX_NAMED),
    ("DescribeJobsRequest", "jobs"): Limit(most=MAX_NAMED, words=TOO_MANY_JOBS),
    ("DescribeSchedulingPoliciesRequest", "arns"): Limit(most=MAX_NAMED),
    ("EFSVolumeConfiguration", "rootDirectory"): Limit(most=4096),
    ("EFSVolumeConfiguration", "transitEncryptionPort"): Limit(least=0, most=65_535),
    ("EcsPropertiesOverride", "taskProperties"): Limit(most=1),
    ("EcsProperties", "taskProperties"): Limit(least=1, most=1),
    ("EcsTaskProperties", "containers"): CONTAINERS,
    ("EcsTaskProperties", "ipcMode"): Limit(pattern="host|task|none"),
    ("EcsTaskProperties", "networkMode"): Limit(pattern="host"),
    ("EcsTaskProperties", "pidMode"): Limit(pattern="host|task"),
    ("EksContainer", "imagePullPolicy"): Limit(pattern="Always|IfNotPresent|Never"),
    ("EksContainerSecurityContext", "runAsGroup"): USER_ID,
    ("EksContainerSecurityContext", "runAsUser"): USER_ID,
    ("EksPodProperties", "containers"): CONTAINERS,
    ("EksPodProperties", "dnsPolicy"): Limit(
        pattern="Default|ClusterFirst|ClusterFirstWithHostNet"
    ),
    ("EksPodProperties", "initContainers"): CONTAINERS,
    ("EksPodSecurityContext", "fsGroup"): USER_ID,
    ("EksPodSecurityContext", "runAsGroup"): USER_ID,
    ("EksPodSecurityContext", "runAsUser"): USER_ID,
    ("EphemeralStorage", "sizeInGiB"): Limit(least=21, most=200),
    ("EvaluateOnExit", "onExitCode"): Limit(most=512, pattern=r"[0-9]*\*?"),
    ("EvaluateOnExit", "onReason"): Limit(most=512),
    ("EvaluateOnExit", "onStatusReason"): Limit(most=512),
    ("FairsharePolicy", "computeReservation"): Limit(least=0, most=99),
    ("FairsharePolicy", "shareDecaySeconds"): Limit(least=0, most=604_800),
    ("FairsharePolicy", "shareDistribution"): Limit(most=500),
    ("FirelensConfiguration", "type"): Limit(pattern="fluentd|fluentbit"),
    ("InfrastructureOptimization", "scaleInAfter"): Limit(least=-1, most=3600),
    ("JobStateTimeLimitAction", "maxTimeSeconds"): Limit(least=600, most=86_400),
    ("JobTimeout", "attemptDurationSeconds"): Limit(least=MIN_TIMEOUT_S),
    ("KeyValuesPair", "values"): Limit(least=1),
    ("LaunchTemplateSpecification", "overrides"): Limit(most=10),
    ("LinuxParameters", "maxSwap"): Limit(least=0),
    ("LinuxParameters", "swappiness"): Limit(least=0, most=100),
    ("ListJobsRequest", "filters"): ONE_FILTER,
    ("ListJobsRequest", "maxResults"): PAGE,
    ("NodeRangeProperty", "instanceTypes"): Limit(most=1),
    ("NodeRangeProperty", "targetNodes"): Limit(pattern="[0-9]*:?[0-9]*"),
    ("RegisterJobDefinitionRequest", "schedulingPriority"): Limit(least=0, most=9999),
    ("RetryStrategy", "attempts"): Limit(least=1, most=MAX_ATTEMPTS),
    ("RetryStrategy", "evaluateOnExit"): Limit(most=MAX_EXIT_RULES),
    ("RuntimePlatform", "cpuArchitecture"): Limit(pattern="X86_64|ARM64"),
    ("ShareAttributes", "shareIdentifier"): Limit(
        least=1, most=256, pattern=r"[A-Za-z0-9][A-Za-z0-9_.-]*\*?"
    ),
    ("ShareAttributes", "weightFactor"): Limit(least=0.0001, most=999.9999),
    ("SubmitJobRequest", "dependsOn"): DEPENDENCIES,
    ("SubmitJobRequest", "jobName"): JOB_NAME,
    ("SubmitJobRequest", "schedulingPriorityOverride"): Limit(least=0, most=9999),
    ("SubmitJobRequest", "shareIdentifier"): SHARE,
    ("TagResourceRequest", "tags"): Limit(least=1),
    ("TaskContainerProperties", "image"): IMAGE,
    ("TaskContainerProperties", "startTimeout"): TIMEOUT,
    ("TaskContainerProperties", "stopTimeout"): TIMEOUT,
    ("TerminateJobRequest", "jobId"): Limit(least=1),
    ("TerminateJobRequest", "reason"): Limit(least=1, most=1024),
    ("TerminateJobsRequest", "jobs"): Limit(least=1, most=MAX_STOPPED),
    ("TerminateJobsRequest", "reason"): Limit(least=1, most=1024),
    ("UpdateJobQueueRequest", "computeEnvironmentOrder"): Limit(most=3),
    ("UpdateJobQueueRequest", "priority"): Limit(least=0, most=1000),
    ("Ulimit", "name"): Limit(pattern=ULIMITS),
    ("Volume", "name"): Limit(most=255, pattern="[A-Za-z0-9_-]+"),
}
