"""Permissions: roles of functions, policies of viewers and operators, and API Gateway's right to invoke functions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.synth.reading import CHECKOUT, ENVIRONMENTS, Synthesized, managed_policy, synthesize

LEADING_KEYS = "dynamodb:LeadingKeys"
ANY_RESOURCE = {("SendTraces", "*"), ("DrawAlarms", "*"), ("JoinVpc", "*"), ("DenyCode", "*")}
"""X-Ray's writes and CloudWatch's metric reads have no resource-level permissions, and Lambda requires `*` for network
interfaces, which the function's own code may not manage (test_network.py). Nothing else may be here."""


def statement_of(stack: Synthesized, sid: str) -> dict[str, Any]:
    """The statement of the gateway's role with this Sid."""
    (statement,) = [statement for statement in stack.statements("gateway") if statement["Sid"] == sid]
    return statement


def sids(stack: Synthesized, role: str) -> set[str]:
    return {statement["Sid"] for statement in stack.statements(role)}


def test_roles_have_no_wildcard_permissions(every: list[Synthesized]) -> None:
    for stack in every:
        for role in stack.all("aws_iam_role_policy"):
            for statement in stack.statements(role):
                assert not [action for action in statement["Action"] if "*" in action], statement
                for resource in statement["Resource"]:
                    assert resource != "*" or (statement["Sid"], resource) in ANY_RESOURCE, statement


def test_viewers_can_only_read(every: list[Synthesized]) -> None:
    """They can neither change anything nor read the value of an API key or a provider key."""
    reads = re.compile(r"(Get|BatchGet|Query|Describe|List|Filter|StartQuery|StopQuery|Decrypt|GenerateDataKey|GET)")
    for stack in every:
        for statement in managed_policy(stack, "viewer").values():
            assert statement["Effect"] == "Allow"
            for action in statement["Action"]:
                assert reads.match(action.partition(":")[2]), action
                assert action not in ("secretsmanager:GetSecretValue", "dynamodb:Scan")
            for resource in statement["Resource"]:
                assert "/apikeys" not in resource
                assert not re.search(r"/usageplans/.*(keys|\*)$", resource), "it returns key values"


def test_operators_change_keys_and_states_only(full: Synthesized, bare: Synthesized) -> None:
    """Only the Lambda writes accounts, rollups and usage rows. Operators put items, and never update or delete."""
    operator = managed_policy(full, "operator")
    assert set(managed_policy(full, "viewer")) - {"SeeSecrets"} < set(operator)
    changes = {
        action.removeprefix("dynamodb:"): set(statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"])
        for statement in [operator["PutItems"]]
        for action in statement["Action"]
    }
    assert changes == {"PutItem": {"KEY#*", "CONSUMER#*", "EXCEEDED", "AUDIT#*"}}
    assert operator["SetSecrets"]["Resource"] == managed_policy(full, "viewer")["SeeSecrets"]["Resource"]
    assert "secretsmanager:GetSecretValue" not in str(operator)
    assert "SetSecrets" not in managed_policy(bare, "operator")
    assert operator["AssignKeys"]["Resource"] == [
        "arn:aws:apigateway:eu-west-3::/usageplans/${aws_api_gateway_usage_plan.starter.id}/keys*",
        "arn:aws:apigateway:eu-west-3::/usageplans/${aws_api_gateway_usage_plan.unlimited.id}/keys*",
    ]


def test_operators_change_only_keys_with_their_environments_tag(full: Synthesized) -> None:
    """Otherwise operators of one environment could delete the keys of another one in the same region."""
    operator, tag = managed_policy(full, "operator"), "tollgate:environment"
    keys = "arn:aws:apigateway:eu-west-3::/apikeys"
    by_resource: dict[str, set[str]] = {}
    for sid, statement in operator.items():
        for resource in statement["Resource"]:
            if "apikeys" in resource:
                by_resource.setdefault(resource, set()).add(sid)
    tags = "arn:aws:apigateway:eu-west-3::/tags/arn%3Aaws%3Aapigateway%3Aeu-west-3%3A%3A%2Fapikeys%2F*"
    assert by_resource == {keys: {"ListKeys", "CreateKeys"}, f"{keys}/*": {"ChangeKeys"}, tags: {"TagKeys"}}
    assert operator["CreateKeys"]["Condition"] == {"StringEquals": {f"aws:RequestTag/{tag}": "full"}}
    assert operator["ChangeKeys"]["Condition"] == {"StringEquals": {f"aws:ResourceTag/{tag}": "full"}}
    assert operator["TagKeys"]["Action"] == ["apigateway:PUT"], "tagging another key needs PATCH on it"
    assert full.json["provider"]["aws"][0]["default_tags"][0]["tags"][tag] == "full", "Terraform's keys have the tag"


def test_settings_cannot_override_the_tag_that_policies_test(tmp_path: Path) -> None:
    text = '[aws]\nregion = "eu-west-1"\ntags = { "tollgate:environment" = "other" }\n'
    (tmp_path / "mine.toml").write_text(text)
    stack = synthesize(tmp_path / "mine.toml", tmp_path / "out")
    assert stack.json["provider"]["aws"][0]["default_tags"][0]["tags"] == {"tollgate:environment": "mine"}


@pytest.mark.parametrize("policy", ["viewer", "operator"])
def test_people_can_use_the_kms_key_through_three_services(full: Synthesized, bare: Synthesized, policy: str) -> None:
    """Without Lambda among them, the command could not read the gateway's configuration."""
    use = managed_policy(full, policy)["UseKey"]
    assert use["Resource"] == [full.environment.gateway.kms_key_arn]
    assert use["Condition"] == {
        "StringEquals": {
            "kms:ViaService": [f"{name}.eu-west-3.amazonaws.com" for name in ("dynamodb", "lambda", "secretsmanager")]
        }
    }
    assert "UseKey" not in managed_policy(bare, policy)


def test_policies_for_people_have_three_wildcard_statements(every: list[Synthesized]) -> None:
    for stack in every:
        operator = managed_policy(stack, "operator")
        assert not [action for statement in operator.values() for action in statement["Action"] if "*" in action]
        unrestricted = {sid for sid, statement in operator.items() if "*" in statement["Resource"]}
        in_vpc = {"ReadVpc"} if stack.environment.network.has_vpc else set()
        assert unrestricted == {"FollowQueries", "ReadMetrics", "ReadLimits", *in_vpc}


def test_wildcards_in_arns_are_the_known_ones(every: list[Synthesized]) -> None:
    """Streams of the function's log group; regions that a Bedrock inference profile routes to; and the KMS key of an
    existing secret, which a condition limits to that secret."""
    allowed = re.compile(
        r"\*|\$\{aws_cloudwatch_log_group\.[\w-]+\.arn\}:\*|arn:aws:bedrock:\*::foundation-model/[\w.:-]+"
        r"|arn:aws:kms:[\w-]+:\d{12}:key/\*"
    )
    for stack in every:
        for role in stack.all("aws_iam_role_policy"):
            for statement in stack.statements(role):
                wildcards = [resource for resource in statement["Resource"] if "*" in resource]
                assert all(allowed.fullmatch(resource) for resource in wildcards), wildcards
                keys = [resource for resource in wildcards if ":kms:" in resource]
                assert not keys or "kms:EncryptionContext:SecretARN" in statement["Condition"]["StringEquals"]


def test_gateway_has_exactly_the_ledger_permissions_it_uses(full: Synthesized) -> None:
    """One more helps an attacker; one less is an outage."""
    source = "".join(
        (CHECKOUT / "lambda_src" / name).read_text() for name in ("edges/ledger.py", "edges/dynamodb_table.py")
    )
    called = set(re.findall(r'_call\(\s*"(\w+)"', source)) - {"TransactWriteItems"}
    in_transactions = {f"{verb}Item" for verb in re.findall(r'\{"(Put|Update|Delete|ConditionCheck)":', source)}
    statements = [statement_of(full, sid) for sid in ("ReadLedger", "PutItems", "UpdateItems")]
    actions = {action.removeprefix("dynamodb:") for statement in statements for action in statement["Action"]}
    assert actions == called | in_transactions
    assert {resource for statement in statements for resource in statement["Resource"]} == {
        "${aws_dynamodb_table.ledger.arn}"
    }


def test_functions_write_to_their_own_partitions_only(every: list[Synthesized]) -> None:
    """Policies (CONSUMER#), keys (KEY#), models (MODELS) and audit rows (AUDIT#) are not among them. Only the
    aggregator writes rollups; it writes no usage rows.
    tests/e2e/test_least_privilege_functions.py runs the functions' code with these policies."""
    written = {
        "gateway": {"PutItem": {"USAGE#*#*#*", "EXCEEDED"}, "UpdateItem": {"ACCOUNT#*", "SEEN#*"}},
        "aggregator": {"PutItem": {"EVENT#*"}, "UpdateItem": {"ACCOUNT#*", "ROLLUP#*", "EVENT#*"}},
        "sweeper": {"PutItem": {"USAGE#*#*#*", "EVENT#*"}, "UpdateItem": {"ACCOUNT#*", "EVENT#*"}},
    }
    for stack in every:
        for role, own in written.items():
            writes = {
                action.removeprefix("dynamodb:"): set(statement["Condition"]["ForAllValues:StringLike"][LEADING_KEYS])
                for statement in stack.statements(role)
                if statement["Sid"] in ("PutItems", "UpdateItems")
                for action in statement["Action"]
            }
            assert writes == own, role


def test_functions_read_the_ledger_as_their_code_does(full: Synthesized) -> None:
    """Only the gateway has a transaction with a condition check. The aggregator alone reads the stream."""
    dynamodb = {
        role: {
            (action.removeprefix("dynamodb:"), resource)
            for statement in full.statements(role)
            if statement["Sid"] not in ("PutItems", "UpdateItems")
            for action in statement["Action"]
            for resource in statement["Resource"]
            if action.startswith("dynamodb:")
        }
        for role in ("gateway", "aggregator", "sweeper", "authorizer", "example")
    }
    table, stream = "${aws_dynamodb_table.ledger.arn}", "${aws_dynamodb_table.ledger.stream_arn}"
    assert dynamodb == {
        "gateway": {("GetItem", table), ("Query", table), ("ConditionCheckItem", table)},
        "aggregator": {
            ("GetItem", table),
            ("DescribeStream", stream),
            ("GetRecords", stream),
            ("GetShardIterator", stream),
            ("ListStreams", stream),
        },
        "sweeper": {("GetItem", table), ("Query", table), ("Query", f"{table}/index/accounts")},
        "authorizer": set(),
        "example": set(),
    }


def test_gateway_reads_only_the_secrets_of_its_providers(full: Synthesized) -> None:
    statement = statement_of(full, "ReadProviderKeys")
    assert statement["Resource"] == [
        "${aws_secretsmanager_secret.openai.arn}",
        "arn:aws:secretsmanager:eu-west-3:111122223333:secret:shared/anthropic-AbCdEf",
    ]
    assert "ReadProviderKeys" not in sids(full, "sweeper") | sids(full, "aggregator")


def test_gateway_decrypts_existing_secrets_through_secrets_manager_only(full: Synthesized) -> None:
    """Their KMS key may be one that the environment file does not name; in another account it always is."""
    statement = statement_of(full, "DecryptProviderKeys")
    assert statement["Action"] == ["kms:Decrypt"]
    assert statement["Resource"] == ["arn:aws:kms:eu-west-3:111122223333:key/*"]
    assert statement["Condition"] == {
        "StringEquals": {
            "kms:ViaService": "secretsmanager.eu-west-3.amazonaws.com",
            "kms:EncryptionContext:SecretARN": [
                "arn:aws:secretsmanager:eu-west-3:111122223333:secret:shared/anthropic-AbCdEf"
            ],
        }
    }


def test_bedrock_access_is_limited_to_the_models_offered(full: Synthesized, bare: Synthesized) -> None:
    statement = statement_of(full, "InvokeModels")
    account = "${element(split(':', aws_dynamodb_table.ledger.arn), 4)}"
    assert statement["Resource"] == [
        f"arn:aws:bedrock:eu-central-1:{account}:inference-profile/eu.amazon.nova-lite-v1:0",
        "arn:aws:bedrock:*::foundation-model/amazon.nova-lite-v1:0",
        "arn:aws:bedrock:eu-central-1::foundation-model/amazon.titan-text-express-v1",
    ]
    assert "InvokeModels" not in sids(bare, "gateway")


def test_models_behind_an_application_profile_need_the_profile(tmp_path: Path) -> None:
    """Its ARN does not name its models, and Bedrock requires permission to invoke those too."""
    profile = "arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/a1b2c3"
    text = '[aws]\nregion = "eu-west-1"\n[providers.aws]\nkind = "bedrock"\n'
    text += f'[models.ours]\nprovider = "aws"\nfree = true\nupstream = "{profile}"\n'
    (tmp_path / "profile.toml").write_text(text)
    stack = synthesize(tmp_path / "profile.toml", tmp_path / "out")
    assert statement_of(stack, "InvokeModels")["Resource"] == [profile]
    through_profile = statement_of(stack, "InvokeThroughProfiles")
    assert through_profile["Resource"] == ["arn:aws:bedrock:*::foundation-model/*"]
    assert through_profile["Condition"] == {"StringEquals": {"bedrock:InferenceProfileArn": [profile]}}


@pytest.mark.parametrize(("region", "partition"), [("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn")])
def test_govcloud_and_china_arns_have_their_partition(tmp_path: Path, region: str, partition: str) -> None:
    """With `arn:aws:`, IAM rejects policies and KMS rejects keys in the middle of an apply."""
    text = (ENVIRONMENTS / "full.toml").read_text().replace("arn:aws:", f"arn:{partition}:")
    text = re.sub(r"(eu|us)-[a-z]+-[0-9]", region, text)
    (tmp_path / "full.toml").write_text(text)
    synthesized = synthesize(tmp_path / "full.toml", tmp_path / "out").text
    assert f"arn:{partition}:iam::aws:policy/" in synthesized
    assert "arn:aws:" not in synthesized
    assert (".amazonaws.com.cn" in synthesized) is (partition == "aws-cn")


def test_custom_functions_may_only_write_logs_and_traces(full: Synthesized) -> None:
    assert sids(full, "example") == {"WriteLogs", "SendTraces", "UseKey"}


def test_authorizer_may_only_write_its_log_and_traces(full: Synthesized, tmp_path: Path) -> None:
    """It sees the keys of all callers. It has no variables to decrypt."""
    assert sids(full, "authorizer") == {"WriteLogs", "SendTraces"}
    (tmp_path / "full.toml").write_text(
        (ENVIRONMENTS / "full.toml").read_text().replace("tracing = true", "tracing = false")
    )
    (write,) = synthesize(tmp_path / "full.toml", tmp_path / "out").statements("authorizer")
    assert write["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert write["Resource"] == ["${aws_cloudwatch_log_group.authorizer.arn}:*"]


def test_api_gateway_may_invoke_a_function_for_its_route_only(full: Synthesized) -> None:
    """Limited to API, stage, method and path: no other API, in this or another account, can invoke it."""
    api = "${aws_api_gateway_rest_api.gateway.execution_arn}/edge"
    sources = {name: permission["source_arn"] for name, permission in full.all("aws_lambda_permission").items()}
    assert sources == {
        "chat": f"{api}/POST/v1/chat/completions",
        "responses": f"{api}/POST/v1/responses",
        "embeddings": f"{api}/POST/v1/embeddings",
        "models": f"{api}/GET/v1/models",
        "model": f"{api}/GET/v1/models/*",
        "openai_chat": f"{api}/POST/openai/v1/chat/completions",
        "openai_responses": f"{api}/POST/openai/v1/responses",
        "openai_embeddings": f"{api}/POST/openai/v1/embeddings",
        "openai_models": f"{api}/GET/openai/v1/models",
        "openai_model": f"{api}/GET/openai/v1/models/*",
        "messages": f"{api}/POST/v1/messages",
        "count_tokens": f"{api}/POST/v1/messages/count_tokens",
        "converse": f"{api}/POST/bedrock/model/*/converse",
        "converse_stream": f"{api}/POST/bedrock/model/*/converse-stream",
        "example_get": f"{api}/GET/tools/*",
        "example_post": f"{api}/POST/tools/*",
        "sweeper": "${aws_cloudwatch_event_rule.sweeper.arn}",
        "authorizer": "${aws_api_gateway_rest_api.gateway.execution_arn}/authorizers/"
        "${aws_api_gateway_authorizer.gateway.id}",
    }


def test_any_method_is_a_wildcard_in_the_permission(shipped: dict[str, Synthesized]) -> None:
    permission = shipped["local"].one("aws_lambda_permission.example_any")
    assert permission["source_arn"].endswith("/live/*/example")


def test_policies_for_people_are_within_iams_size_limit(tmp_path: Path) -> None:
    """6,144 characters without white space. Above 13 plans, the policy does not list them."""
    for plans in (13, 14):
        text = '[aws]\nregion = "ap-southeast-2"\n[gateway]\n'
        text += 'kms_key_arn = "arn:aws:kms:ap-southeast-2:123456789012:key/1"\n'
        text += "".join(f'[providers.p{number}]\nkind = "openai"\n' for number in range(6))
        text += "".join(f"[plans.p{number}]\nrate = 1\nburst = 1\n" for number in range(plans))
        (tmp_path / "environment-of-20-ch.toml").write_text(text)
        stack = synthesize(tmp_path / "environment-of-20-ch.toml", tmp_path / f"out{plans}")
        document = stack.one("aws_iam_policy.operator")["policy"]
        for reference in set(re.findall(r"\$\{[^}]*\}", document)):
            document = document.replace(reference, resolved(reference))
        assert len(re.sub(r"\s", "", document)) <= 6_144, plans
        assert ("/usageplans/*/keys*" in document) is (plans > 13)


def resolved(reference: str) -> str:
    """A value about as long as the reference's value in AWS."""
    if "element(" in reference:
        return "111122223333"
    if reference.endswith("arn}"):
        return "arn:aws:service:ap-southeast-2:111122223333:thing:tollgate-environment-of-20-ch-" + 12 * "x"
    return "abcdefghij"
