"""Signatures equal those of botocore, which AWS accepts."""

from __future__ import annotations

import string
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from lambda_src.edges.sigv4 import Credentials, signed_headers

WORD = st.text(string.ascii_letters + string.digits + "+/=", min_size=1, max_size=40)
VALUE = st.text(string.printable.translate({ord(character): None for character in "\r\n\v\f"}), max_size=60)
URL = st.builds(
    "{}://{}{}/{}".format,
    st.sampled_from(["https", "http"]),
    st.sampled_from(["dynamodb.eu-west-1.amazonaws.com", "127.0.0.1", "LOCALHOST"]),
    st.sampled_from(["", ":80", ":443", ":4566"]),
    st.sampled_from(["", "model/a/converse"])
    | st.builds("model/{}/converse".format, st.text(min_size=1, max_size=30).map(lambda text: quote("m" + text, ""))),
)
HEADERS = st.fixed_dictionaries(
    {"content-type": VALUE}, optional={"x-amz-target": VALUE, "x-amzn-bedrock-trace": VALUE, "x-amz-empty": VALUE}
)


def _botocore_headers(
    credentials: Credentials, service: str, region: str, url: str, headers: dict[str, str], body: bytes
) -> dict[str, str]:
    """The headers as botocore signs them, with lower-case names."""
    signed = {name: value for name, value in headers.items() if name == "content-type" or name.startswith("x-amz-")}
    request = AWSRequest(method="POST", url=url, data=body, headers=signed)
    boto_credentials = BotoCredentials(credentials.key_id, credentials.secret, credentials.token)
    SigV4Auth(boto_credentials, service, region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()} | {
        name: value for name, value in headers.items() if name not in signed
    }


@given(
    credentials=st.builds(Credentials, WORD, WORD, st.none() | WORD),
    service=st.sampled_from(["dynamodb", "secretsmanager", "sns", "bedrock", "logs"]),
    region=st.sampled_from(["us-east-1", "eu-west-1", "cn-north-1"]),
    url=URL,
    headers=HEADERS,
    body=st.binary(max_size=200),
)
def test_signature_equals_that_of_botocore(
    credentials: Credentials, service: str, region: str, url: str, headers: dict[str, str], body: bytes
) -> None:
    expected = _botocore_headers(credentials, service, region, url, headers, body)
    now = datetime.strptime(expected["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    assert signed_headers(credentials, service, region, url, headers, body, now) == expected


def test_headers_that_proxies_may_change_are_not_signed() -> None:
    headers = {"content-type": "application/json", "traceparent": "00-1-2-03", "accept": "*/*"}
    sent = signed_headers(
        Credentials("id", "secret", None), "bedrock", "eu-west-1", "https://b.aws/m", headers, b"{}", 0.0
    )
    assert "SignedHeaders=content-type;host;x-amz-date," in sent["authorization"]
    assert headers.items() <= sent.items()


@pytest.mark.parametrize("secret", ["wJalrXUtnFEMI", "another"])
def test_credentials_are_not_in_repr(secret: str) -> None:
    assert secret not in repr(Credentials("AKIDEXAMPLE", secret, secret))
