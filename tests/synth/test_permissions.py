"""Who may do what: roles of functions, policies of people, calls of API Gateway."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.synth.reading import CHECKOUT, ENVIRONMENTS, Synthesized, people, synthesize

ANY_RESOURCE = {("SendTraces", "*"), ("DrawAlarms", "*")}
"""X-Ray's write actions and CloudWatch's reads of metrics know no resources. Nothing else may be here."""


def test_no_role_may_do_anything_to_everything(every: list[Synthesized]) -> None:
    for stack in every:
        for role in stack.all("aws_iam_role_policy"):
            for statement in stack.statements(role):
                assert not [action for action in statement["Action"] if "*" in action], statement
                for resource in statement["Resource"]:
                    assert resource != "*" or (statement["Sid"], resource) in ANY_RESOURCE, statement


def test_viewers_read_and_nothing_else(every: list[Synthesized]) -> None:
    """Who may look must not be able to spend: neither change anything, nor read a key's or a provider's value."""
    reads = re.compile(r"(Get|BatchGet|Query|Describe|List|Filter|StartQuery|StopQuery|Decrypt|GenerateDataKey|GET)")
    for stack in every:
        for statement in people(stack, "viewer").values():
            assert statement["Effect"] == "Allow"
            for action in statement["Action"]:
                assert reads.match(action.partition(":")[2]), action
                assert action not in ("secretsmanager:GetSecretValue", "dynamodb:Scan")
            for resource in statement["Resource"]:
                assert "/apikeys" not in resource
                assert not re.search(r"/usageplans/.*(keys|\*)$", resource), "lists keys with their values"


def test_operators_change_only_what_is_theirs(full: Synthesized, bare: Synthesized) -> None:
    """Not the ledger's money: accounts, rollups and usage rows are the Lambda's; nothing is updated or deleted."""
    operator = people(full, "operator")
    assert set(people(full, "viewer")) - {"SeeSecrets"} < set(operator)
    changing = {
        action.removeprefix("dynamodb:"): set(statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"])
        for statement in [operator["PutItems"]]
        for action in statement["Action"]
    }
    assert changing == {"PutItem": {"KEY#*", "CONSUMER#*", "AUDIT#*"}}
    assert operator["SetSecrets"]["Resource"] == people(full, "viewer")["SeeSecrets"]["Resource"]
    assert "secretsmanager:GetSecretValue" not in str(operator)
    assert "SetSecrets" not in people(bare, "operator")
    plans = [resource for resource in operator["ChangeKeys"]["Resource"] if "/usageplans/" in resource]
    assert plans == [
        "arn:aws:apigateway:eu-west-3::/usageplans/${aws_api_gateway_usage_plan.starter.id}/keys*",
        "arn:aws:apigateway:eu-west-3::/usageplans/${aws_api_gateway_usage_plan.unlimited.id}/keys*",
    ]


@pytest.mark.parametrize("who", ["viewer", "operator"])
def test_people_may_use_the_key_where_the_command_meets_what_it_encrypts(
    full: Synthesized, bare: Synthesized, who: str
) -> None:
    """Without Lambda's part of it the command could not read the gateway's configuration, and would do nothing."""
    use = people(full, who)["UseKey"]
    assert use["Resource"] == [full.environment.gateway.kms_key_arn]
    assert use["Condition"] == {
        "StringEquals": {
            "kms:ViaService": [f"{name}.eu-west-3.amazonaws.com" for name in ("dynamodb", "lambda", "secretsmanager")]
        }
    }
    assert "UseKey" not in people(bare, who)


def test_people_meet_no_star_but_where_aws_knows_no_resources(every: list[Synthesized]) -> None:
    for stack in every:
        operator = people(stack, "operator")
        assert not [action for each in operator.values() for action in each["Action"] if "*" in action]
        assert {sid for sid, each in operator.items() if "*" in each["Resource"]} == {"FollowQueries", "ReadMetrics"}


def test_wildcards_in_arns_are_the_known_ones(every: list[Synthesized]) -> None:
    """Streams of the own log group; the regions that a Bedrock inference profile routes to; and the unnamed key of a
    secret that another team owns, which a condition ties to that secret."""
    allowed = re.compile(
        r"\*|\$\{aws_cloudwatch_log_group\.[\w-]+\.arn\}:\*|arn:aws:bedrock:\*::foundation-model/[\w.:-]+"
        r"|arn:aws:kms:[\w-]+:\d{12}:key/\*"
    )
    for stack in every:
        for role in stack.all("aws_iam_role_policy"):
            for statement in stack.statements(role):
                wild = [resource for resource in statement["Resource"] if "*" in resource]
                assert all(allowed.fullmatch(resource) for resource in wild), wild
                keys = [resource for resource in wild if ":kms:" in resource]
                assert not keys or "kms:EncryptionContext:SecretARN" in statement["Condition"]["StringEquals"]


def test_gateway_may_do_to_the_ledger_what_it_does(full: Synthesized) -> None:
    """One permission more is an attack's; one less is an outage."""
    source = "".join(
        (CHECKOUT / "lambda_src" / name).read_text() for name in ("edges/ledger.py", "edges/dynamodb_table.py")
    )
    called = set(re.findall(r'_call\(\s*"(\w+)"', source)) - {"TransactWriteItems"}
    in_transactions = {f"{verb}Item" for verb in re.findall(r'\{"(Put|Update|Delete|ConditionCheck)":', source)}
    (statement,) = [each for each in full.statements("gateway") if each["Sid"] == "UseLedger"]
    assert {action.removeprefix("dynamodb:") for action in statement["Action"]} == called | in_transactions
    assert statement["Resource"] == ["${aws_dynamodb_table.ledger.arn}"]


def test_gateway_reads_its_own_providers_secrets_alone(full: Synthesized) -> None:
    (statement,) = [each for each in full.statements("gateway") if each["Sid"] == "ReadProviderKeys"]
    assert statement["Resource"] == [
        "${aws_secretsmanager_secret.openai.arn}",
        "arn:aws:secretsmanager:eu-west-3:111122223333:secret:shared/anthropic-AbCdEf",
    ]
    assert "ReadProviderKeys" not in {each["Sid"] for each in full.statements("sweeper")}


def test_gateway_decrypts_a_secret_of_others_through_secrets_manager_alone(full: Synthesized) -> None:
    """It may be encrypted with a key that nobody names here; from another account it always is."""
    (statement,) = [each for each in full.statements("gateway") if each["Sid"] == "DecryptProviderKeys"]
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
    (statement,) = [each for each in full.statements("gateway") if each["Sid"] == "InvokeModels"]
    account = "${element(split(':', aws_dynamodb_table.ledger.arn), 4)}"
    assert statement["Resource"] == [
        f"arn:aws:bedrock:eu-central-1:{account}:inference-profile/eu.amazon.nova-lite-v1:0",
        "arn:aws:bedrock:*::foundation-model/amazon.nova-lite-v1:0",
        "arn:aws:bedrock:eu-central-1::foundation-model/amazon.titan-text-express-v1",
    ]
    assert "InvokeModels" not in {each["Sid"] for each in bare.statements("gateway")}


def test_a_profile_given_by_its_arn_may_reach_models_through_it_alone(tmp_path: Path) -> None:
    """The ARN does not say which models it routes to, and Bedrock asks for the permission to call those too."""
    profile = "arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/a1b2c3"
    text = '[aws]\nregion = "eu-west-1"\n[providers.aws]\nkind = "bedrock"\n'
    text += f'[models.ours]\nprovider = "aws"\nfree = true\nupstream = "{profile}"\n'
    (tmp_path / "profile.toml").write_text(text)
    stack = synthesize(tmp_path / "profile.toml", tmp_path / "out")
    found = {each["Sid"]: each for each in stack.statements("gateway")}
    assert found["InvokeModels"]["Resource"] == [profile]
    assert found["InvokeThroughProfiles"]["Resource"] == ["arn:aws:bedrock:*::foundation-model/*"]
    assert found["InvokeThroughProfiles"]["Condition"] == {"StringEquals": {"bedrock:InferenceProfileArn": [profile]}}


@pytest.mark.parametrize(("region", "partition"), [("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn")])
def test_govcloud_and_china_have_arns_of_their_own(tmp_path: Path, region: str, partition: str) -> None:
    """With `arn:aws:` there, IAM refuses each policy and KMS each key, in the middle of an apply."""
    text = (ENVIRONMENTS / "full.toml").read_text().replace("arn:aws:", f"arn:{partition}:")
    text = re.sub(r"(eu|us)-[a-z]+-[0-9]", region, text)
    (tmp_path / "full.toml").write_text(text)
    found = synthesize(tmp_path / "full.toml", tmp_path / "out").text
    assert f"arn:{partition}:iam::aws:policy/" in found
    assert "arn:aws:" not in found
    assert (".amazonaws.com.cn" in found) is (partition == "aws-cn")


def test_brought_functions_may_write_logs_and_traces_only(full: Synthesized) -> None:
    assert {each["Sid"] for each in full.statements("example")} == {"WriteLogs", "SendTraces", "UseKey"}


def test_api_gateway_may_call_a_function_for_its_own_route_only(full: Synthesized) -> None:
    """Scoped to API, stage, method and path: no other API, of this or of another account, can run it."""
    api = "${aws_api_gateway_rest_api.gateway.execution_arn}/edge"
    sources = {name: permission["source_arn"] for name, permission in full.all("aws_lambda_permission").items()}
    assert sources == {
        "chat": f"{api}/POST/v1/chat/completions",
        "responses": f"{api}/POST/v1/responses",
        "embeddings": f"{api}/POST/v1/embeddings",
        "models": f"{api}/GET/v1/models",
        "model": f"{api}/GET/v1/models/*",
        "messages": f"{api}/POST/v1/messages",
        "count_tokens": f"{api}/POST/v1/messages/count_tokens",
        "converse": f"{api}/POST/bedrock/model/*/converse",
        "converse_stream": f"{api}/POST/bedrock/model/*/converse-stream",
        "example_get": f"{api}/GET/tools/*",
        "example_post": f"{api}/POST/tools/*",
        "sweeper": "${aws_cloudwatch_event_rule.sweeper.arn}",
    }


def test_any_method_is_a_star_in_the_permission(shipped: dict[str, Synthesized]) -> None:
    permission = shipped["local"].one("aws_lambda_permission.example_any")
    assert permission["source_arn"].endswith("/live/*/example")


def test_policies_for_people_fit_into_what_iam_takes(tmp_path: Path) -> None:
    """6,144 characters without white space: beyond 20 plans they are not named one by one."""
    for plans in (20, 21):
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
        assert ("/usageplans/*/keys*" in document) is (plans > 20)


def resolved(reference: str) -> str:
    """About as long as what AWS puts in a reference's place."""
    if "element(" in reference:
        return "111122223333"
    if reference.endswith(".arn}"):
        return "arn:aws:service:ap-southeast-2:111122223333:thing:tollgate-environment-of-20-ch-" + 12 * "x"
    return "abcdefghij"
