"""What can go wrong for an operator, each with the exit code that scripts read.

0 ok · 1 a finding, or refused · 2 wrong usage · 253 credentials or configuration · 254 an AWS service · 130 Ctrl-C.
253 and 254 are the AWS CLI's (docs.aws.amazon.com/cli/latest/userguide/cli-usage-returncodes.html).
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError


class CliError(Exception):
    """Something the operator has to know, in words that say what to do next. No secret is ever in them."""

    exit_code: ClassVar[int] = 1


class RefusedError(CliError):
    """What was asked for is not done, because of what was found."""


class UsageError(CliError):
    """The command line, or a file it names, cannot be used."""

    exit_code = 2


class ConfigurationError(CliError):
    """Credentials, region or environment are missing or wrong."""

    exit_code = 253


class ServiceError(CliError):
    """An AWS service refused or did not answer."""

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


def unknown(what: str, given: str, known: Iterable[str], *, seen_with: str) -> RefusedError:
    """`given` is not among `known`. seen_with: the command that lists them."""
    names = sorted(known)
    near = get_close_matches(given, names, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are {len(names)}; see them with `{seen_with}`."
    return RefusedError(f"no {what} {given!r}. {hint}")


def of_service(error: ClientError) -> CliError:
    """What an AWS service said, with its operation and request id, and what to do about it."""
    code = error.response.get("Error", {}).get("Code", "Unknown")
    message = error.response.get("Error", {}).get("Message", "")
    request_id = error.response.get("ResponseMetadata", {}).get("RequestId", "none")
    said = f"{error.operation_name}: {code}: {message} (request id {request_id})"
    if code in _CREDENTIALS:
        clock = " Is this machine's clock right? AWS refuses requests more than five minutes off." * (code in _SKEWED)
        return ConfigurationError(f"{said}\nCredentials were not accepted: sign in again, or choose --profile.{clock}")
    if code in DENIED:
        return ServiceError(
            f"{said}\nThe stack's managed policies allow it: tollgate-ENVIRONMENT-viewer to read, -operator to change."
        )
    if code in _THROTTLED:
        return ServiceError(f"{said}\nAWS was asked too often, also after pauses. Try again in a minute.")
    return ServiceError(said)


def of_client(error: BotoCoreError) -> CliError:
    """What boto3 found wrong before a service could answer."""
    name = type(error).__name__
    if name in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"):
        return ConfigurationError(f"{error}. Set AWS_PROFILE or --profile, or sign in (`aws sso login`).")
    if name in ("TokenRetrievalError", "SSOTokenLoadError", "UnauthorizedSSOTokenError"):
        return ConfigurationError(f"{error}. Sign in again: `aws sso login`.")
    if name == "ProfileNotFound":
        return ConfigurationError(
            f"{error}. It is named by --profile, AWS_PROFILE or `profile` in the environment file, that early; "
            "`aws configure list-profiles` lists those there are."
        )
    if name in ("NoRegionError", "ConfigParseError", "InvalidRegionError"):
        return ConfigurationError(f"{error}. Set --region or AWS_REGION, or --profile.")
    if name in ("EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError"):
        return ServiceError(f"{error} Is the network up, and --region (or --endpoint-url) right?")
    return ServiceError(f"{name}: {error}")
