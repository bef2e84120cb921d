"""The gateway's AWS client with the operator's credentials, for commands that book money with the gateway's code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admin.errors import ConfigurationError

if TYPE_CHECKING:
    from admin.session import Session
    from lambda_src.edges.aws import AwsClient


def gateway_client(session: Session) -> AwsClient:
    """The client. Raises ConfigurationError without credentials."""
    from lambda_src.edges.aws import AwsClient

    credentials = session.boto.get_credentials()
    if credentials is None:
        raise ConfigurationError("no AWS credentials. Set AWS_PROFILE or --profile, or sign in (`aws sso login`).")
    frozen = credentials.get_frozen_credentials()
    endpoint = session.dynamodb.meta.endpoint_url
    environ = {
        "AWS_REGION": session.region,
        "AWS_ACCESS_KEY_ID": frozen.access_key or "",
        "AWS_SECRET_ACCESS_KEY": frozen.secret_key or "",
        **({"AWS_SESSION_TOKEN": frozen.token} if frozen.token else {}),
        **({} if endpoint.endswith((".amazonaws.com", ".amazonaws.com.cn")) else {"AWS_ENDPOINT_URL": endpoint}),
    }
    return AwsClient(environ)
