"""Errors of the command and their exit codes.

0 success · 1 finding or rejection · 2 usage error · 253 credentials or configuration · 254 AWS service · 130 Ctrl-C.
253 and 254 are the exit codes of the AWS CLI (docs.aws.amazon.com/cli/latest/userguide/cli-usage-returncodes.html).
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError


class CliError(Exception):
    """An error for the operator. Its message says what to do next and never contains a secret."""

    exit_code: ClassVar[int] = 1


class RefusedError(CliError):
    """The command does not act because of the current state, for example because something does not exist."""


class UsageError(CliError):
    """The command line, or a file it names, is invalid."""

    exit_code = 2


class ConfigurationError(CliError):
    """Credentials, region or environment are missing or wrong."""

    exit_code = 253


class ServiceError(CliError):
    """An AWS service rejected a call or did not respond."""

    exit_code = 254


_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "AuthFailure",
        "RequestExpired",
        "RequestTimeTooSkewed",
    }
)
_SKEWED = frozenset({"RequestTimeTooSkewed", "RequestExpired", "InvalidSignatureException", "SignatureDoesNotMatch"})
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"})
_THROTTLED = frozenset({"TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded"})


def unknown(what: str, given: str, known: Iterable[str], *, list_command: str) -> RefusedError:
    """The error for a name that is not among `known`. list_command: the command that lists the known names."""
    names = sorted(known)
    similar = get_close_matches(given, names, n=3, cutoff=0.5)
    hint = (
        f"Did you mean {' or '.join(similar)}?" if similar else f"`{list_command}` lists the {len(names)} that exist."
    )
    return RefusedError(f"no {what} {given!r}. {hint}")


def from_client_error(error: ClientError) -> CliError:
    """The error for a failed AWS call: AWS's message, the operation, the request id and what to do."""
    code = error.response.get("Error", {}).get("Code", "Unknown")
    message = error.response.get("Error", {}).get("Message", "")
    request_id = error.response.get("ResponseMetadata", {}).get("RequestId", "none")
    details = f"{error.operation_name}: {code}: {message} (request id {request_id})"
    if code in _CREDENTIALS:
        clock = " Check this machine's clock: AWS rejects requests that are five minutes off." * (code in _SKEWED)
        return ConfigurationError(f"{details}\nAWS rejected the credentials. Sign in again, or pass --profile.{clock}")
    if code in DENIED:
        return ServiceError(
            f"{details}\nAttach a policy of the stack: tollgate-ENVIRONMENT-viewer to read, -operator to change."
        )
    if code in _THROTTLED:
        return ServiceError(f"{details}\nAWS still throttled the calls after retries. Try again in a minute.")
    return ServiceError(details)


def from_botocore_error(error: BotoCoreError) -> CliError:
    """The error for a boto3 failure before an AWS service responded."""
    name = type(error).__name__
    if name in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"):
        return ConfigurationError(f"{error}. Set AWS_PROFILE or --profile, or sign in (`aws sso login`).")
    if name in ("TokenRetrievalError", "SSOTokenLoadError", "UnauthorizedSSOTokenError"):
        return ConfigurationError(f"{error}. Sign in again: `aws sso login`.")
    if name == "ProfileNotFound":
        return ConfigurationError(
            f"{error}. The name comes from --profile, else AWS_PROFILE, else `profile` in the environment file; "
            "`aws configure list-profiles` lists the profiles that exist."
        )
    if name in ("NoRegionError", "ConfigParseError", "InvalidRegionError"):
        return ConfigurationError(f"{error}. Pass --region or --profile, or set AWS_REGION.")
    if name in ("EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError"):
        return ServiceError(f"{error} Check the network, and --region or --endpoint-url.")
    return ServiceError(f"{name}: {error}")
