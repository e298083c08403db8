"""AWS Batch's documented limits that its service model lacks.

Source: the API reference and "Service quotas" of AWS Batch, API version 2016-08-10. `words` are the
service's own where they have been published by who met them.
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
    """Bounds of a number, or of the length of a text, list or map.

    In the words, `{}` is what was given.
    """

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
NO_ATTEMPTS = "RetryAttempts must be provided with retry strategy."
SHARE = Limit(least=1, most=255, pattern=r"[A-Za-z0-9][A-Za-z0-9_.-]*")
PAGE = Limit(least=1, most=1000)
IMAGE = Limit(most=255)
CONTAINERS = Limit(least=1, most=10, words="Number of containers must be between 1 and 10")
POD_CONTAINERS = Limit(most=10)
#: Of a rule of a retry strategy.
CONDITION = Limit(most=512, words="Evaluate on exit condition cannot exceed 512 characters.")
BID = Limit(least=0, most=100, words="Bid percentage must be between 0 to 100.")
QUEUE_ORDER = Limit(most=3, words="Only 3 environments are allowed in job queue request.")
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
    ("ComputeResource", "bidPercentage"): BID,
    ("ComputeResourceUpdate", "bidPercentage"): BID,
    ("ConsumableResourceProperties", "consumableResourceList"): Limit(
        most=5, words="Each ConsumableResourceProperty can have at most 5 consumableResources"
    ),
    ("CreateComputeEnvironmentRequest", "computeEnvironmentName"): Limit(
        pattern=NAME, words="Compute Environment name should match a valid pattern."
    ),
    ("CreateJobQueueRequest", "jobQueueName"): Limit(
        pattern=NAME, words="Job Queue name should match a valid pattern."
    ),
    ("CreateJobQueueRequest", "computeEnvironmentOrder"): QUEUE_ORDER,
    ("CreateJobQueueRequest", "priority"): Limit(least=0, most=1000),
    ("CreateSchedulingPolicyRequest", "name"): Limit(
        pattern=NAME, words="Scheduling policy name should match a valid pattern."
    ),
    ("DescribeComputeEnvironmentsRequest", "computeEnvironments"): Limit(most=MAX_NAMED),
    ("DescribeJobDefinitionsRequest", "jobDefinitions"): Limit(most=MAX_NAMED),
    ("DescribeJobQueuesRequest", "jobQueues"): Limit(most=MAX_NAMED),
    ("DescribeJobsRequest", "jobs"): Limit(most=MAX_NAMED, words=TOO_MANY_JOBS),
    ("DescribeSchedulingPoliciesRequest", "arns"): Limit(most=MAX_NAMED),
    ("EFSVolumeConfiguration", "rootDirectory"): Limit(most=4096),
    ("EFSVolumeConfiguration", "transitEncryptionPort"): Limit(
        least=0, most=65_535, words="TransitEncryptionPort must be a valid port number."
    ),
    ("EcsPropertiesOverride", "taskProperties"): Limit(most=1),
    ("EcsProperties", "taskProperties"): Limit(least=1, most=1),
    ("EcsTaskProperties", "containers"): CONTAINERS,
    ("EcsTaskProperties", "ipcMode"): Limit(pattern="host|task|none"),
    ("EcsTaskProperties", "networkMode"): Limit(pattern="host"),
    ("EcsTaskProperties", "pidMode"): Limit(
        pattern="host|task", words="Capability {} is not valid. Valid capabilities: [host, task]"
    ),
    ("EksContainer", "imagePullPolicy"): Limit(
        pattern="Always|IfNotPresent|Never", words="Unsupported image pull policy value."
    ),
    ("EksContainerSecurityContext", "runAsGroup"): USER_ID,
    ("EksContainerSecurityContext", "runAsUser"): USER_ID,
    ("EksPodProperties", "containers"): POD_CONTAINERS,
    ("EksPodProperties", "dnsPolicy"): Limit(
        pattern="Default|ClusterFirst|ClusterFirstWithHostNet",
        words="Unsupported DNS policy value.",
    ),
    ("EksPodProperties", "initContainers"): POD_CONTAINERS,
    ("EksPodSecurityContext", "fsGroup"): USER_ID,
    ("EksPodSecurityContext", "runAsGroup"): USER_ID,
    ("EksPodSecurityContext", "runAsUser"): USER_ID,
    ("EphemeralStorage", "sizeInGiB"): Limit(
        least=21,
        most=200,
        words="Ephemeral storage for Fargate tasks can be only between range 21 GiB to 200 GiB",
    ),
    ("EvaluateOnExit", "onExitCode"): Limit(
        pattern=r"[0-9]{0,511}\*?",
        words="Evaluate on exit condition contains restricted characters.",
    ),
    ("EvaluateOnExit", "onReason"): CONDITION,
    ("EvaluateOnExit", "onStatusReason"): CONDITION,
    ("FairsharePolicy", "computeReservation"): Limit(least=0, most=99),
    ("FairsharePolicy", "shareDecaySeconds"): Limit(least=0, most=604_800),
    ("FairsharePolicy", "shareDistribution"): Limit(
        most=500, words="ShareDistribution size cannot be greater than 500."
    ),
    ("FirelensConfiguration", "type"): Limit(pattern="fluentd|fluentbit"),
    ("InfrastructureOptimization", "scaleInAfter"): Limit(least=-1, most=3600),
    ("JobStateTimeLimitAction", "maxTimeSeconds"): Limit(least=600, most=86_400),
    ("JobTimeout", "attemptDurationSeconds"): Limit(
        least=MIN_TIMEOUT_S,
        words=f"AttemptDurationSeconds in Timeout must be at least {MIN_TIMEOUT_S} seconds.",
    ),
    ("KeyValuesPair", "values"): Limit(least=1),
    ("LaunchTemplateSpecification", "overrides"): Limit(
        most=10, words="LaunchTemplate.overrides size cannot be greater than 10"
    ),
    ("LinuxParameters", "maxSwap"): Limit(
        least=0, words="Invalid swap memory size: {}, must be non-negative."
    ),
    ("LinuxParameters", "swappiness"): Limit(
        least=0, most=100, words="Invalid swappiness: {}, must be between 0 and 100."
    ),
    ("ListJobsRequest", "filters"): ONE_FILTER,
    ("ListJobsRequest", "maxResults"): PAGE,
    ("NodeRangeProperty", "instanceTypes"): Limit(most=1),
    ("RegisterJobDefinitionRequest", "jobDefinitionName"): Limit(
        pattern=NAME, words="Job definition name should match a valid pattern."
    ),
    ("RegisterJobDefinitionRequest", "schedulingPriority"): Limit(
        least=0, most=9999, words="Scheduling priority must be between 0 and 9999."
    ),
    ("RetryStrategy", "attempts"): Limit(
        least=1,
        most=MAX_ATTEMPTS,
        words=f"RetryAttempts must be between 1 and {MAX_ATTEMPTS}.",
    ),
    ("RetryStrategy", "evaluateOnExit"): Limit(most=MAX_EXIT_RULES),
    ("RuntimePlatform", "cpuArchitecture"): Limit(pattern="X86_64|ARM64"),
    ("ShareAttributes", "shareIdentifier"): Limit(
        pattern=r"(?=.{1,256}$)[A-Za-z0-9][A-Za-z0-9_.-]*\*?",
        words="ShareIdentifier name should match a valid pattern.",
    ),
    ("ShareAttributes", "weightFactor"): Limit(
        least=0.0001, most=999.9999, words="Weight factor should be between 0.0001 and 999.9999."
    ),
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
    ("Tmpfs", "size"): Limit(
        least=1,
        words="Size of a tmpfs is invalid. The size is required and must be a positive integer.",
    ),
    ("UpdateJobQueueRequest", "computeEnvironmentOrder"): QUEUE_ORDER,
    ("UpdateJobQueueRequest", "priority"): Limit(least=0, most=1000),
    ("Ulimit", "name"): Limit(pattern=ULIMITS),
    ("Volume", "name"): Limit(most=255, pattern="[A-Za-z0-9_-]+"),
}
