"""A stack of every kind of resource that Tollgate deploys, as Terraform JSON."""

import json
from pathlib import Path
from typing import Any

from tests.local.stack import ACCESS_FORMAT, archive

HANDLER = """
import json, os
import boto3
def handler(event, context):
    print(json.dumps({"level": "INFO", "said": os.environ["GREETING"]}))
    boto3.client("dynamodb").put_item(
        TableName=os.environ["TABLE"],
        Item={"pk": {"S": "CALL"}, "sk": {"S": event["requestContext"]["identity"]["apiKeyId"]}})
    return {"statusCode": 200, "body": json.dumps({"said": os.environ["GREETING"]})}
"""
TAGS = {"project": "tollgate", "environment": "test"}
ASSUME = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["dynamodb:PutItem"], "Resource": "${aws_dynamodb_table.ledger.arn}"}
        ],
    }
)


def write_stack(directory: Path, endpoint: str, *, rate: float = 50.0) -> None:
    """Write the function's zip and `main.tf.json`."""
    (directory / "function.zip").write_bytes(archive({"lambda_src/__init__.py": "", "lambda_src/handler.py": HANDLER}))
    document = {
        "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws", "version": "5.100.0"}}},
        "provider": {"aws": _provider(endpoint)},
        "resource": _access() | _function() | _gateway(rate) | _watching() | _ledger() | _topic(),
        "output": {
            "api": {"value": "${aws_api_gateway_rest_api.main.id}"},
            "key": {"value": "${aws_api_gateway_api_key.acme.value}", "sensitive": True},
        },
    }
    (directory / "main.tf.json").write_text(json.dumps(document, indent=1))


def _provider(endpoint: str) -> dict[str, Any]:
    services = (
        "apigateway",
        "cloudwatch",
        "cloudwatchlogs",
        "dynamodb",
        "events",
        "iam",
        "lambda",
        "secretsmanager",
        "sns",
        "sqs",
        "sts",
    )
    return {
        "region": "eu-west-1",
        "access_key": "test",
        "secret_key": "test",
        "skip_credentials_validation": True,
        "skip_requesting_account_id": True,
        "skip_metadata_api_check": "true",
        "default_tags": [{"tags": TAGS}],
        "endpoints": [dict.fromkeys(services, endpoint)],
    }


def _access() -> dict[str, Any]:
    return {
        "aws_iam_role": {"function": {"name": "tollgate-function", "assume_role_policy": ASSUME}},
        "aws_iam_role_policy": {
            "function": {"name": "ledger", "role": "${aws_iam_role.function.id}", "policy": POLICY}
        },
        "aws_iam_policy": {"logs": {"name": "tollgate-logs", "policy": POLICY}},
        "aws_iam_role_policy_attachment": {
            "logs": {"role": "${aws_iam_role.function.name}", "policy_arn": "${aws_iam_policy.logs.arn}"}
        },
        "aws_secretsmanager_secret": {
            "openai": {"name": "tollgate/test/providers/openai", "recovery_window_in_days": 0}
        },
    }


def _function() -> dict[str, Any]:
    return {
        "aws_lambda_function": {
            "gateway": {
                "function_name": "tollgate-gateway",
                "role": "${aws_iam_role.function.arn}",
                "runtime": "python3.13",
                "architectures": ["arm64"],
                "handler": "lambda_src.handler.handler",
                "filename": "function.zip",
                "source_code_hash": '${filebase64sha256("function.zip")}',
                "memory_size": 512,
                "timeout": 30,
                "reserved_concurrent_executions": 20,
                "environment": {"variables": {"GREETING": "hello", "TABLE": "${aws_dynamodb_table.ledger.name}"}},
                "logging_config": {
                    "log_format": "JSON",
                    "log_group": "${aws_cloudwatch_log_group.usage.name}",
                    "application_log_level": "INFO",
                    "system_log_level": "WARN",
                },
                "tracing_config": {"mode": "Active"},
            }
        },
        "aws_lambda_function_event_invoke_config": {
            "gateway": {
                "function_name": "${aws_lambda_function.gateway.function_name}",
                "maximum_retry_attempts": 0,
                "maximum_event_age_in_seconds": 60,
            }
        },
        "aws_lambda_permission": {
            "gateway": _permission("apigateway", "${aws_api_gateway_rest_api.main.execution_arn}/v1/POST/v1/chat"),
            "sweep": _permission("events", "${aws_cloudwatch_event_rule.sweep.arn}"),
        },
        "aws_cloudwatch_event_rule": {
            "sweep": {"name": "tollgate-sweep", "schedule_expression": "rate(5 minutes)", "description": "sweep"}
        },
        "aws_cloudwatch_event_target": {
            "sweep": {
                "rule": "${aws_cloudwatch_event_rule.sweep.name}",
                "arn": "${aws_lambda_function.gateway.arn}",
                "target_id": "sweeper",
                "retry_policy": {"maximum_retry_attempts": 2, "maximum_event_age_in_seconds": 300},
            }
        },
    }


def _permission(service: str, source_arn: str) -> dict[str, str]:
    return {
        "statement_id": f"allow-{service}",
        "action": "lambda:InvokeFunction",
        "function_name": "${aws_lambda_function.gateway.function_name}",
        "principal": f"{service}.amazonaws.com",
        "source_arn": source_arn,
    }


def _method(resource: str, http_method: str) -> dict[str, Any]:
    return {
        "rest_api_id": "${aws_api_gateway_rest_api.main.id}",
        "resource_id": f"${{aws_api_gateway_resource.{resource}.id}}",
        "http_method": http_method,
    }


def _resource(part: str, parent: str) -> dict[str, str]:
    return {"rest_api_id": "${aws_api_gateway_rest_api.main.id}", "parent_id": parent, "path_part": part}


def _gateway(rate: float) -> dict[str, Any]:
    api = "${aws_api_gateway_rest_api.main.id}"
    integration = {
        "type": "AWS_PROXY",
        "integration_http_method": "POST",
        "uri": "${aws_lambda_function.gateway.invoke_arn}",
        "timeout_milliseconds": 28_000,
    }
    refusal = '{"error":{"message":$context.error.messageString,"type":"$context.error.responseType"}}'
    return {
        "aws_api_gateway_rest_api": {
            "main": {
                "name": "tollgate-test",
                "description": "API for logging and monitoring AI API usage",
                "endpoint_configuration": {"types": ["REGIONAL"]},
                "binary_media_types": ["application/vnd.amazon.eventstream"],
                "api_key_source": "HEADER",
                "disable_execute_api_endpoint": False,
            }
        },
        "aws_api_gateway_resource": {
            "v1": _resource("v1", "${aws_api_gateway_rest_api.main.root_resource_id}"),
            "chat": _resource("chat", "${aws_api_gateway_resource.v1.id}"),
            "model": _resource("{model}", "${aws_api_gateway_resource.chat.id}"),
        },
        "aws_api_gateway_request_validator": {
            "body": {
                "name": "body",
                "rest_api_id": api,
                "validate_request_body": True,
                "validate_request_parameters": True,
            }
        },
        "aws_api_gateway_model": {
            "chat": {
                "rest_api_id": api,
                "name": "Chat",
                "content_type": "application/json",
                "schema": json.dumps({"type": "object", "required": ["model"]}),
            }
        },
        "aws_api_gateway_method": {
            "chat": _method("chat", "POST")
            | {
                "authorization": "NONE",
                "api_key_required": True,
                "request_validator_id": "${aws_api_gateway_request_validator.body.id}",
                "request_models": {"application/json": "${aws_api_gateway_model.chat.name}"},
                "request_parameters": {"method.request.header.Content-Type": True},
            },
            "model": _method("model", "GET")
            | {
                "authorization": "NONE",
                "api_key_required": True,
                "request_parameters": {"method.request.path.model": True},
            },
        },
        "aws_api_gateway_integration": {
            "chat": _method("chat", "${aws_api_gateway_method.chat.http_method}") | integration,
            "model": _method("model", "${aws_api_gateway_method.model.http_method}") | integration,
        },
        "aws_api_gateway_gateway_response": {
            kind.lower(): {
                "rest_api_id": api,
                "response_type": kind,
                "response_templates": {"application/json": refusal},
                "response_parameters": {"gatewayresponse.header.x-tollgate-request-id": "context.requestId"},
                **({"status_code": status} if status else {}),
            }
            for kind, status in {"INVALID_API_KEY": "401", "THROTTLED": "429", "DEFAULT_5XX": None}.items()
        },
        "aws_api_gateway_deployment": {
            "main": {
                "rest_api_id": api,
                "triggers": {"redeployment": "hash-of-everything"},
                "lifecycle": {"create_before_destroy": True},
                "depends_on": [
                    "aws_api_gateway_integration.chat",
                    "aws_api_gateway_integration.model",
                    "aws_api_gateway_gateway_response.throttled",
                ],
            }
        },
        "aws_api_gateway_stage": {
            "main": {
                "rest_api_id": api,
                "deployment_id": "${aws_api_gateway_deployment.main.id}",
                "stage_name": "v1",
                "xray_tracing_enabled": True,
                "access_log_settings": {
                    "destination_arn": "${aws_cloudwatch_log_group.access.arn}",
                    # Terraform reads "${" in strings; the format has none.
                    "format": ACCESS_FORMAT,
                },
                "variables": {"environment": "test"},
            }
        },
        "aws_api_gateway_method_settings": {
            "all": {
                "rest_api_id": api,
                "stage_name": "${aws_api_gateway_stage.main.stage_name}",
                "method_path": "*/*",
                "settings": {
                    "metrics_enabled": True,
                    "logging_level": "ERROR",
                    "data_trace_enabled": False,
                    "throttling_rate_limit": 100,
                    "throttling_burst_limit": 50,
                },
            },
            "model": {
                "rest_api_id": api,
                "stage_name": "${aws_api_gateway_stage.main.stage_name}",
                "method_path": "v1/chat/{model}/GET",
                "settings": {"metrics_enabled": True, "logging_level": "ERROR"},
            },
        },
        "aws_api_gateway_usage_plan": {
            "starter": {
                "name": "tollgate-test-starter",
                "description": "starter",
                "api_stages": [{"api_id": api, "stage": "${aws_api_gateway_stage.main.stage_name}"}],
                "throttle_settings": {"rate_limit": rate, "burst_limit": 5},
                "quota_settings": {"limit": 1000, "period": "MONTH"},
            }
        },
        "aws_api_gateway_api_key": {"acme": {"name": "acme", "description": "acme's key"}},
        "aws_api_gateway_usage_plan_key": {
            "acme": {
                "key_id": "${aws_api_gateway_api_key.acme.id}",
                "key_type": "API_KEY",
                "usage_plan_id": "${aws_api_gateway_usage_plan.starter.id}",
            }
        },
    }


def _watching() -> dict[str, Any]:
    dimensions = {"ApiName": "${aws_api_gateway_rest_api.main.name}", "Stage": "v1"}

    def metric(name: str) -> dict[str, Any]:
        stat = {"namespace": "AWS/ApiGateway", "period": 300, "stat": "Sum", "dimensions": dimensions}
        return {"id": name.lower(), "metric": stat | {"metric_name": name}}

    actions = ["${aws_sns_topic.alerts.arn}"]
    return {
        "aws_cloudwatch_log_group": {
            "access": {"name": "/tollgate/test/access", "retention_in_days": 30},
            "usage": {"name": "/tollgate/test/usage", "retention_in_days": 90},
        },
        "aws_cloudwatch_log_index_policy": {
            "usage": {
                "log_group_name": "${aws_cloudwatch_log_group.usage.name}",
                "policy_document": json.dumps({"Fields": ["key_id"]}),
            }
        },
        "aws_cloudwatch_contributor_insight_rule": {
            "keys": {
                "rule_name": "tollgate-test-keys",
                "rule_state": "ENABLED",
                "rule_definition": json.dumps(
                    {
                        "Schema": {"Name": "CloudWatchLogRule", "Version": 1},
                        "LogGroupNames": ["/tollgate/test/usage"],
                        "LogFormat": "JSON",
                        "Contribution": {
                            "Keys": ["$.key_id"],
                            "ValueOf": "$.cost & more",
                            "Filters": [{"Match": "$.status", "GreaterThan": 399}],
                        },
                        "AggregateOn": "Sum",
                    }
                ),
            }
        },
        "aws_cloudwatch_log_metric_filter": {
            "errors": {
                "name": "errors",
                "log_group_name": "${aws_cloudwatch_log_group.usage.name}",
                "pattern": '{ $.status = "error" }',
                "metric_transformation": {"name": "Errors", "namespace": "Tollgate", "value": "1"},
            }
        },
        "aws_cloudwatch_query_definition": {
            "by_key": {
                "name": "tollgate/test/usage by key",
                "log_group_names": ["${aws_cloudwatch_log_group.usage.name}"],
                "query_string": "stats count() by key_id",
            }
        },
        "aws_cloudwatch_metric_alarm": {
            "latency": {
                "alarm_name": "tollgate-test-latency",
                "alarm_description": "p99 < 25 s & more",
                "namespace": "AWS/ApiGateway",
                "metric_name": "Latency",
                "dimensions": dimensions,
                "extended_statistic": "p99",
                "period": 300,
                "evaluation_periods": 3,
                "datapoints_to_alarm": 2,
                "threshold": 25000,
                "comparison_operator": "GreaterThanThreshold",
                "treat_missing_data": "notBreaching",
                "alarm_actions": actions,
                "ok_actions": actions,
            },
            "share": {
                "alarm_name": "tollgate-test-4xx-share",
                "evaluation_periods": 2,
                "threshold": 0.05,
                "comparison_operator": "GreaterThanThreshold",
                "treat_missing_data": "notBreaching",
                "alarm_actions": actions,
                "metric_query": [
                    {"id": "share", "expression": "errors / calls", "label": "share", "return_data": True},
                    metric("4XXError") | {"id": "errors"},
                    metric("Count") | {"id": "calls"},
                ],
            },
        },
        "aws_cloudwatch_composite_alarm": {
            "any": {
                "alarm_name": "tollgate-test-any",
                "alarm_rule": 'ALARM("${aws_cloudwatch_metric_alarm.latency.alarm_name}")'
                ' OR ALARM("${aws_cloudwatch_metric_alarm.share.alarm_name}")',
                "alarm_actions": actions,
            }
        },
        "aws_cloudwatch_dashboard": {
            "main": {
                "dashboard_name": "tollgate-test",
                "dashboard_body": json.dumps({"widgets": [{"type": "text", "properties": {"markdown": "a < b"}}]}),
            }
        },
    }


def _ledger() -> dict[str, Any]:
    return {
        "aws_dynamodb_table": {
            "ledger": {
                "name": "tollgate-test-ledger",
                "billing_mode": "PAY_PER_REQUEST",
                "hash_key": "pk",
                "range_key": "sk",
                "deletion_protection_enabled": False,
                "attribute": [{"name": name, "type": "S"} for name in ("pk", "sk", "account")],
                "global_secondary_index": [
                    {"name": "accounts", "hash_key": "account", "range_key": "pk", "projection_type": "KEYS_ONLY"}
                ],
                "ttl": {"attribute_name": "ttl", "enabled": True},
                "point_in_time_recovery": {"enabled": True},
                "server_side_encryption": {"enabled": True},
                "stream_enabled": True,
                "stream_view_type": "NEW_AND_OLD_IMAGES",
            }
        },
        "aws_dynamodb_table_item": {
            "policy": {
                "table_name": "${aws_dynamodb_table.ledger.name}",
                "hash_key": "${aws_dynamodb_table.ledger.hash_key}",
                "range_key": "${aws_dynamodb_table.ledger.range_key}",
                "item": json.dumps(
                    {
                        "pk": {"S": "CONSUMER#acme"},
                        "sk": {"S": "POLICY"},
                        "budgets": {"L": [{"M": {"usd_nano": {"N": "50000000000"}, "per": {"S": "month"}}}]},
                        "models": {"L": [{"S": "*"}]},
                    }
                ),
            }
        },
    }


def _topic() -> dict[str, Any]:
    return {
        "aws_sns_topic": {"alerts": {"name": "tollgate-test", "kms_master_key_id": "alias/aws/sns"}},
        "aws_sns_topic_policy": {
            "alerts": {
                "arn": "${aws_sns_topic.alerts.arn}",
                "policy": json.dumps(
                    {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                "Sid": "alarms",
                                "Effect": "Allow",
                                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                                "Action": "sns:Publish",
                                "Resource": "${aws_sns_topic.alerts.arn}",
                            }
                        ],
                    }
                ),
            }
        },
        "aws_sns_topic_subscription": {
            "mail": {
                "topic_arn": "${aws_sns_topic.alerts.arn}",
                "protocol": "email",
                "endpoint": "ops@example.com",
            },
        },
    }
