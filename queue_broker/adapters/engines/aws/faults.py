"""AWS's errors, told apart by what they say about the call: was it taken, and what mends it. Pure.

Every error of botocore is translated here, once, at the edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from headgate.errors import Unavailable


class Fault(StrEnum):
    """What a failed call means."""

    THROTTLED = "throttled"  #: not taken; ask more slowly
    UNCLEAR = "unclear"  #: the answer was lost: it may have been taken
    AWAY = "away"  #: never sent: AWS cannot be reached
    DENIED = "denied"  #: not taken: credentials or permissions; nothing else will be taken either
    NO_DEFINITION = "no_definition"  #: not taken: the job definition is gone or INACTIVE
    NO_QUEUE = "no_queue"  #: not taken: the queue is gone, DISABLED or not VALID
    REFUSED = "refused"  #: not taken: AWS does not like the request, and never will


THROTTLES = frozenset(
    {
        *("TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded"),
        *("ThrottledException", "RequestThrottled", "LimitExceededException", "SlowDown"),
    }
)
BAD_CREDENTIALS = frozenset(
    {
        *("ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException"),
        *("InvalidClientTokenId", "InvalidSignatureException", "SignatureDoesNotMatch"),
        *("RequestExpired", "AuthFailure", "InvalidAccessKeyId"),
    }
)
NO_PERMISSION = frozenset(
    {"AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "NotAuthorized"}
)
#: Every way in which a call fails; an answer that cannot be read is no `BotoCoreError`.
FAILED = (boto.ClientError, boto.BotoCoreError, ResponseParserError)
NEVER_SENT = (boto.EndpointConnectionError, boto.ConnectTimeoutError, boto.ProxyConnectionError)
NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
)


def fault_of(error: Exception) -> Fault:
    """What an error of botocore means."""
    if isinstance(error, boto.ClientError):
        return fault_told(error)
    for kinds, fault in (
        (NO_CREDENTIALS, Fault.DENIED),
        (NEVER_SENT, Fault.AWAY),
        (boto.ParamValidationError, Fault.REFUSED),
    ):
        if isinstance(error, kinds):
            return fault
    return Fault.UNCLEAR


def fault_told(error: boto.ClientError) -> Fault:
    """What AWS answered."""
    code = code_of(error)
    if code in THROTTLES or status_of(error) == 429:
        return Fault.THROTTLED
    if code in BAD_CREDENTIALS | NO_PERMISSION:
        return Fault.DENIED
    if status_of(error) >= 500:
        return Fault.UNCLEAR
    return refusal(str(error.response["Error"].get("Message", "")))


def is_refused(error: Exception) -> bool:
    """Whether AWS does not like what was asked, and never will."""
    return fault_of(error) in (Fault.NO_DEFINITION, Fault.NO_QUEUE, Fault.REFUSED)


def refusal(message: str) -> Fault:
    """AWS Batch has one code, ClientException, for all that is wrong with a request."""
    told = message.replace(" ", "").lower()
    if "jobdefinition" in told:
        return Fault.NO_DEFINITION
    if "jobqueue" in told:
        return Fault.NO_QUEUE
    return Fault.REFUSED


def code_of(error: boto.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: boto.ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400))


def words(action: str, error: Exception) -> str:
    """For people: which call failed, why, and what mends it. `action` as IAM names it."""
    if isinstance(error, NO_CREDENTIALS):
        return f"{action}: there are no AWS credentials: {error}"
    if isinstance(error, ResponseParserError):  # a proxy's page, say, in place of an answer
        return f"{action}: what answered is not AWS, or not well: {' '.join(str(error).split())}"
    if not isinstance(error, boto.ClientError):
        return f"{action}: AWS could not be reached: {error}"
    code, message = code_of(error), error.response.get("Error", {}).get("Message", "")
    if code in NO_PERMISSION:
        line = f'{{"Effect": "Allow", "Action": "{action}", "Resource": "*"}}'
        return f"{action} is not permitted: {message}; the broker's role lacks {line}"
    if code in BAD_CREDENTIALS:
        return f"{action}: the AWS credentials are expired or wrong ({code}): {message}"
    return f"{action}: {code}: {message}"


@contextmanager
def calling(action: str) -> Iterator[None]:
    """Around a call whose failure means that AWS is away: `Unavailable` in words for people."""
    try:
        yield
    except FAILED as error:
        raise Unavailable(words(action, error)) from error
