"""Every promise about functions, secrets, ledger, alerts and the whole, with what would break for whom."""

from __future__ import annotations

import re
from pathlib import Path

from constructs_lib.price_table import version
from lambda_src.configuration import config
from lambda_src.contract import CONFIG_VARIABLE, TOKEN_CLASSES
from tests.synth.reading import Synthesized, named, people, readable, synthesize

# --- Lambda


def test_functions_run_where_documented(every: list[Synthesized]) -> None:
    for name, function in named(every, "aws_lambda_function"):
        assert (function["runtime"], function["architectures"]) == ("python3.13", ["arm64"]), name
        assert function["logging_config"]["log_format"] == "JSON"
        # A stricter filter would drop the usage lines, and with them every metric.
        assert function["logging_config"]["application_log_level"] == "INFO"
        assert function["logging_config"]["log_group"] == f"${{aws_cloudwatch_log_group.{name}.name}}"


def test_settings_of_the_gateway_function(full: Synthesized, bare: Synthesized) -> None:
    function = full.one("aws_lambda_function.gateway")
    assert (function["memory_size"], function["reserved_concurrent_executions"]) == (640, 7)
    assert "reserved_concurrent_executions" not in bare.one("aws_lambda_function.gateway")


def test_times_fit_into_each_other(every: list[Synthesized]) -> None:
    """A hard time-out runs no cleanup: the provider's must come first, then API Gateway's, then the Lambda's."""
    for stack in every:
        function = stack.one("aws_lambda_function.gateway")
        settings = config({CONFIG_VARIABLE: function["environment"]["variables"][CONFIG_VARIABLE]})
        patience = stack.one("aws_api_gateway_integration.chat")["timeout_milliseconds"] / 1000
        assert settings.upstream_timeout_seconds < patience < function["timeout"] < settings.hold_seconds


def test_lambda_reads_the_configuration_it_is_given(every: list[Synthesized]) -> None:
    """Both sides, end to end: what constructs write, the Lambda's own reader takes in."""
    for stack in every:
        for name in ("gateway", "sweeper"):
            variables = stack.one(f"aws_lambda_function.{name}")["environment"]["variables"]
            assert list(variables) == [CONFIG_VARIABLE]
            settings = config(variables)
            assert settings.table == "${aws_dynamodb_table.ledger.name}"
            assert settings.topic_arn == "${aws_sns_topic.alerts.arn}"
            assert set(settings.providers) == set(stack.environment.providers)


# --- secrets, ledger, alerts


def test_secrets_are_made_without_a_value(every: list[Synthesized]) -> None:
    """A version made by Terraform would be a provider's key in its state."""
    named(every, "aws_secretsmanager_secret")
    for stack in every:
        assert not stack.all("aws_secretsmanager_secret_version")


def test_keys_of_providers_survive_a_mistake_where_the_ledger_does(shipped: dict[str, Synthesized]) -> None:
    """Elsewhere a deploy may follow a `destroy`; a secret that can return keeps its name taken."""
    windows = {
        name: {secret["recovery_window_in_days"] for _, secret in named([stack], "aws_secretsmanager_secret")}
        for name, stack in shipped.items()
    }
    assert windows == {"dev": {0}, "local": {0}, "prod": {7}}


def test_ledger_survives_mistakes(every: list[Synthesized], shipped: dict[str, Synthesized]) -> None:
    for _, table in named(every, "aws_dynamodb_table"):
        assert table["billing_mode"] == "PAY_PER_REQUEST"
        assert table["point_in_time_recovery"]["enabled"] is True
        assert table["server_side_encryption"]["enabled"] is True
        assert table["stream_enabled"] is True
        assert table["ttl"] == {"attribute_name": "ttl", "enabled": True}
    assert shipped["prod"].one("aws_dynamodb_table.ledger")["deletion_protection_enabled"] is True


def test_every_policy_model_and_key_shows_in_a_plan(every: list[Synthesized]) -> None:
    """A changed limit or price is a changed resource, which somebody reviews before it holds."""
    for stack in every:
        environment = stack.environment
        slugs = {re.sub(r"[^\w-]", "_", name) for name in environment.models}
        assert set(stack.all("aws_dynamodb_table_item")) == {
            *(f"policy_{name}" for name in environment.consumers),
            *(f"model_{name}" for name in slugs),
            *(f"key_{name}" for name in stack.all("aws_api_gateway_api_key")),
        }


def test_key_item_names_the_key_by_its_id(full: Synthesized) -> None:
    item = readable(full.one("aws_dynamodb_table_item.key_acme_blue"))["item"]
    assert item["pk"] == {"S": "KEY#${aws_api_gateway_api_key.acme_blue.id}"}


def test_every_token_class_has_a_price(every: list[Synthesized]) -> None:
    """A class without one would be charged 0 or fail the request."""
    for stack in every:
        for name in stack.environment.models:
            item = readable(stack.one(f"aws_dynamodb_table_item.model_{re.sub(r'[^a-zA-Z0-9_-]', '_', name)}"))["item"]
            for tier in item["prices"]["M"].values():
                for rates in tier["L"]:
                    assert set(rates["M"]) == {"above", *TOKEN_CLASSES}


def test_published_price_names_its_table(shipped: dict[str, Synthesized]) -> None:
    item = readable(shipped["prod"].one("aws_dynamodb_table_item.model_gpt-5"))["item"]
    assert item["price_version"] == {"S": version()}


def test_topic_is_encrypted_with_a_key_that_alarms_may_use(every: list[Synthesized]) -> None:
    """CloudWatch cannot use AWS's own key for SNS: its alarms would fail without anybody hearing of it."""
    for stack in every:
        key = stack.one("aws_sns_topic.alerts")["kms_master_key_id"]
        if stack.environment.gateway.kms_key_arn is not None:
            assert key == stack.environment.gateway.kms_key_arn
            continue
        assert key == "${aws_kms_key.alerts.arn}"
        policy = readable(stack.one("aws_kms_key.alerts"))["policy"]
        (alarms,) = [each for each in policy["Statement"] if each["Principal"].get("Service")]
        assert alarms["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
        assert alarms["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]


def test_prompts_are_logged_only_where_a_consumer_asked(full: Synthesized, shipped: dict[str, Synthesized]) -> None:
    """They are people's words: off by default, for days only, encrypted with a key that can be taken away."""
    for stack in shipped.values():
        assert "prompts" not in stack.all("aws_cloudwatch_log_group")
        assert "prompt_log" not in str(stack.all("aws_dynamodb_table_item"))
    assert full.one("aws_cloudwatch_log_group.prompts")["retention_in_days"] == 3
    items = {name: readable(item)["item"] for name, item in full.all("aws_dynamodb_table_item").items()}
    assert items["policy_acme"]["prompt_log"] == {"BOOL": True}
    assert "prompt_log" not in items["policy_issued"]
    (write,) = [each for each in full.statements("gateway") if each["Sid"] == "WritePrompts"]
    assert write["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert "prompts" not in str(people(full, "operator"))


def test_prompts_without_an_own_key_get_one(tmp_path: Path) -> None:
    text = '[aws]\nregion = "eu-west-1"\n[plans.p]\nrate = 1\nburst = 1\n[consumers.c]\nplan = "p"\nprompt_log = true\n'
    (tmp_path / "spoken.toml").write_text(text)
    stack = synthesize(tmp_path / "spoken.toml", tmp_path / "out")
    group = stack.one("aws_cloudwatch_log_group.prompts")
    assert (group["kms_key_id"], group["retention_in_days"]) == ("${aws_kms_key.prompts.arn}", 7)
    statement = readable(stack.one("aws_kms_key.prompts"))["policy"]["Statement"][1]
    assert statement["Principal"] == {"Service": "logs.eu-west-1.amazonaws.com"}
    (context,) = statement["Condition"]["ArnEquals"].values()
    assert context.endswith(":log-group:/tollgate/spoken/prompts")


def test_own_key_encrypts_everything_that_is_kept(full: Synthesized) -> None:
    key = full.environment.gateway.kms_key_arn
    assert full.one("aws_dynamodb_table.ledger")["server_side_encryption"]["kms_key_arn"] == key
    for resource_type, argument in (
        ("aws_cloudwatch_log_group", "kms_key_id"),
        ("aws_secretsmanager_secret", "kms_key_id"),
        ("aws_lambda_function", "kms_key_arn"),
    ):
        for name, resource in named([full], resource_type):
            assert resource[argument] == key, name


def test_sweeper_runs_every_five_minutes(every: list[Synthesized]) -> None:
    for _, rule in named(every, "aws_cloudwatch_event_rule"):
        assert rule["schedule_expression"] == "rate(5 minutes)"
    for _, target in named(every, "aws_cloudwatch_event_target"):
        assert target["arn"] == "${aws_lambda_function.sweeper.arn}"


# --- outputs and the whole


def test_outputs_are_those_that_scripts_read(every: list[Synthesized]) -> None:
    for stack in every:
        assert {
            "invoke_url",
            "openai_base_url",
            "api_id",
            "stage_name",
            "table",
            "usage_log_group",
            "access_log_group",
            "dashboard_url",
            "key_ids",
            "plan_ids",
        } <= set(stack.json["output"])


def test_nothing_is_looked_up_at_plan_time(every: list[Synthesized]) -> None:
    """A data source needs credentials, so that no plan could be made offline or for a pull request from a fork."""
    assert all("data" not in stack.json for stack in every)


def test_addresses_are_business_names(every: list[Synthesized]) -> None:
    """CDKTF's own end in eight hex digits that change when code moves: destroy and create."""
    for stack in every:
        names = [name for resources in stack.json["resource"].values() for name in resources]
        assert not [name for name in names if re.search(r"_[0-9A-F]{8}$", name)]
        assert not [name for name in stack.json["output"] if re.search(r"_[0-9A-F]{8}$", name)]


def test_no_resource_was_swallowed_by_another_of_its_name(full: Synthesized) -> None:
    """Two resources at one address merge silently into one in CDKTF's JSON."""
    paths = [
        resource["//"]["metadata"]["path"]
        for resources in full.json["resource"].values()
        for resource in resources.values()
    ]
    assert len(paths) == len(set(paths)) == full.resources


def test_names_start_with_the_prefix(full: Synthesized) -> None:
    """Two environments in one account must never meet."""
    for resource_type, argument in (
        ("aws_api_gateway_rest_api", "name"),
        ("aws_api_gateway_api_key", "name"),
        ("aws_api_gateway_usage_plan", "name"),
        ("aws_cloudwatch_metric_alarm", "alarm_name"),
        ("aws_cloudwatch_dashboard", "dashboard_name"),
        ("aws_cloudwatch_event_rule", "name"),
        ("aws_cloudwatch_contributor_insight_rule", "rule_name"),
        ("aws_cloudwatch_log_metric_filter", "name"),
        ("aws_cloudwatch_query_definition", "name"),
        ("aws_dynamodb_table", "name"),
        ("aws_iam_policy", "name"),
        ("aws_iam_role", "name"),
        ("aws_lambda_function", "function_name"),
        ("aws_sns_topic", "name"),
    ):
        for name, resource in named([full], resource_type):
            assert resource[argument].startswith("tollgate-full"), name
    for resource_type in ("aws_cloudwatch_log_group", "aws_secretsmanager_secret"):
        for name, resource in named([full], resource_type):
            if name != "execution":  # whose name is API Gateway's, made of the API's id
                assert resource["name"].lstrip("/").startswith("tollgate/full/"), name
