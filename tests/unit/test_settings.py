"""What an environment file becomes: configuration, prices and ledger items. Expected values are literals."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path

import pytest

from constructs_lib.ledger_items import key_item, model_item, policy_item
from constructs_lib.settings import Environment, load, relocated, runtime_config
from constructs_lib.settings.model_prices import ModelPrices, model_prices
from lambda_src.configuration import load_config
from lambda_src.contract import CONFIG_VARIABLE, Provider
from lambda_src.core.policy import key_from_item, model_from_item, parse_optional_time, policy_from_item
from lambda_src.edges.dynamodb_attributes import deserialize_item

TEXT = """\
[aws]
region = "eu-west-3"
[gateway]
upstream_timeout_seconds = 11.5
upstream_retries = 1
keep_alive_seconds = 17.5
max_request_bytes = 1_234_567
[metering]
estimate = "typical"
default_max_output_tokens = 111
typical_output_tokens = 222
image_tokens = 333
hold_seconds = 1_444
usage_retention_days = 555
metrics_per_consumer = false
[alerts]
budget_percent = [60, 90]
[providers.openai]
kind = "openai"
[providers.compatible]
kind = "openai"
base_url = "https://llm.example/v1"
secret = "shared/llm"
allow_members = ["data_sources", "guided_json"]
[providers.local]
kind = "openai"
base_url = "http://localhost:8099/v1"
keyless = true
[providers.bedrock]
kind = "bedrock"
region = "us-west-2"
[providers.anthropic]
kind = "anthropic"
[models.gpt-5-mini]
provider = "openai"
[models.priced]
provider = "compatible"
upstream = "org/llama-3.3"
max_output_tokens = 0
max_input_tokens = 9_000
[models.priced.prices]
input = "0.0375"
output = 2
cache_read = "0.01"
cache_write_5m = "0.05"
input_audio = "0.7"
output_audio = "9"
tiers.batch = { input = "0.01", output = "1" }
[[models.priced.prices.long_context]]
above = 200_000
input = 1
output = 4
[models.free]
provider = "local"
free = true
[plans.starter]
rate = 10
burst = 5
[consumers.acme]
plan = "starter"
owner = "Ada"
models = ["priced", "free"]
budgets = [{ usd = "12.5", per = "month" }, { usd = 1, per = "day" }]
tokens_per_minute = 1_000
requests_per_minute = 60
max_output_tokens = 77
expires = 2027-12-31
tags = { cost_centre = "4711" }
[consumers.open]
plan = "starter"
"""


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    path = tmp_path / "test.toml"
    path.write_text(TEXT)
    return load(path)


def test_runtime_configuration_has_every_setting(environment: Environment) -> None:
    config = runtime_config(environment)
    assert config.environment == "test"
    assert config.table == "tollgate-test-ledger"
    assert (config.estimate, config.default_max_output_tokens, config.typical_output_tokens) == ("typical", 111, 222)
    assert (config.image_tokens, config.hold_seconds, config.retention_days) == (333, 1_444, 555)
    assert (config.upstream_timeout_seconds, config.upstream_retries) == (11.5, 1)
    assert config.keep_alive_seconds == 17.5
    assert config.max_request_bytes == 1_234_567
    assert config.metrics_per_consumer is False
    assert config.topic_arn is None


def test_providers_have_url_and_secret(environment: Environment) -> None:
    assert runtime_config(environment).providers == {
        "openai": Provider(
            kind="openai",
            base_url="https://api.openai.com/v1",
            secret="tollgate/test/providers/openai",
            flavour="openai",
        ),
        "compatible": Provider(
            kind="openai",
            base_url="https://llm.example/v1",
            secret="shared/llm",
            allow_members=("data_sources", "guided_json"),
        ),
        "local": Provider(kind="openai", base_url="http://localhost:8099/v1"),
        "bedrock": Provider(
            kind="bedrock", base_url="https://bedrock-runtime.us-west-2.amazonaws.com", region="us-west-2"
        ),
        "anthropic": Provider(
            kind="anthropic", base_url="https://api.anthropic.com", secret="tollgate/test/providers/anthropic"
        ),
    }


def test_gateway_reads_the_configuration_that_the_constructs_write(environment: Environment) -> None:
    config = runtime_config(environment)
    assert load_config({CONFIG_VARIABLE: json.dumps(asdict(config))}) == config


def test_stated_prices_become_nano_usd_for_every_class(environment: Environment) -> None:
    """A class without a price has the price of its fallback class, never 0."""
    prices = model_prices(environment, "priced")
    (period,) = prices.periods
    first, long = period.tiers["standard"]
    assert first == {
        "above": 0,
        "input": 37_500_000,
        "cache_read": 10_000_000,
        "cache_write_5m": 50_000_000,
        "cache_write_1h": 50_000_000,
        "input_audio": 700_000_000,
        "input_image": 37_500_000,
        "output": 2_000_000_000,
        "output_audio": 9_000_000_000,
    }
    assert (long["above"], long["cache_read"], long["output_audio"]) == (200_000, 1_000_000_000, 4_000_000_000)
    assert period.tiers["batch"][0]["cache_write_1h"] == 10_000_000
    assert period.version.startswith("test-")


def test_new_price_has_a_new_version(environment: Environment, tmp_path: Path) -> None:
    """Usage rows name the version, so it must identify one set of prices."""
    path = tmp_path / "test.toml"
    path.write_text(TEXT.replace('input = "0.0375"', 'input = "0.0376"'))
    (changed,), (before,) = (model_prices(file, "priced").periods for file in (load(path), environment))
    assert changed.version != before.version


def changed(tmp_path: Path, changes: str, model: str = "gpt-5-mini") -> ModelPrices:
    """Prices of `model` with own changes."""
    path = tmp_path / "test.toml"
    path.write_text(TEXT.replace(f"[models.{model}]", f"[models.{model}]\nprice_changes = [{changes}]"))
    return model_prices(load(path), model)


LATER = '{ from = 2027-01-01, input = "0.5", output = 3 }'
LAST = '{ from = "2027-03-01", input = "0.05", output = 3, tiers.batch = { input = 1, output = 2 } }'


def test_own_price_changes_follow_the_price_tables_prices(tmp_path: Path) -> None:
    first, second, third = changed(tmp_path, f"{LATER}, {LAST}").periods
    assert (first.start, first.tiers["standard"][0]["input"]) == (None, 250_000_000)
    assert (second.start, second.tiers["standard"][0]["cache_read"]) == (date(2027, 1, 1), 500_000_000)
    assert (third.start, third.tiers["standard"][0]["input"]) == (date(2027, 3, 1), 50_000_000)
    assert third.tiers["batch"][0]["output"] == 2_000_000_000


def test_own_price_changes_replace_announced_ones(tmp_path: Path) -> None:
    """The table's change of 2026-12-01 stays; a later one would not."""
    path = tmp_path / "test.toml"
    for day, starts in (("2026-11-30", ["2026-11-30"]), ("2026-12-02", ["2026-12-01", "2026-12-02"])):
        path.write_text(f"""{TEXT}
[providers.google]
kind = "openai"
base_url = "https://generativelanguage.googleapis.com/v1beta/openai"
[models.gemini-4-argon]
provider = "google"
price_changes = [{{ from = {day}, input = 1, output = 1 }}]
""")
        _, *later = model_prices(load(path), "gemini-4-argon").periods
        assert [str(period.start) for period in later] == starts


def test_own_periods_have_different_versions(environment: Environment, tmp_path: Path) -> None:
    """A change back to earlier prices has its own version, and the version of today's prices does not change."""
    back = LATER.replace("2027-01-01", "2027-05-01")
    first, second, third, fourth = changed(tmp_path, f"{LATER}, {LAST}, {back}", "priced").periods
    (now,) = model_prices(environment, "priced").periods
    assert first.version == now.version
    assert [period.version[-16:] for period in (second, third, fourth)] == [
        "/from-2027-01-01",
        "/from-2027-03-01",
        "/from-2027-05-01",
    ]
    assert second.version[:-16] == fourth.version[:-16] != third.version[:-16]


def test_well_known_model_has_price_and_window_from_the_table(environment: Environment) -> None:
    prices = model_prices(environment, "gpt-5-mini")
    (period,) = prices.periods
    assert (period.tiers["standard"][0]["input"], period.tiers["standard"][0]["output"]) == (250_000_000, 2_000_000_000)
    assert "genai-prices" in period.version
    item = deserialize_item(model_item(environment, "gpt-5-mini", prices))
    assert item["max_input_tokens"] == prices.max_input_tokens
    assert item["max_output_tokens"] == 111  # metering.default_max_output_tokens


def test_gateway_reads_policy_item(environment: Environment) -> None:
    policy = policy_from_item(deserialize_item(policy_item(environment, "acme")))
    assert (policy.consumer, policy.plan, policy.models) == ("acme", "starter", {"priced", "free"})
    assert [(budget.limit, budget.per) for budget in policy.budgets] == [(12_500_000_000, "month"), (10**9, "day")]
    assert policy.thresholds == (60, 90)
    assert (policy.tokens_per_minute, policy.requests_per_minute, policy.max_output_tokens) == (1_000, 60, 77)
    assert policy.expires == parse_optional_time("2027-12-31T00:00:00+00:00")
    assert policy.tags == {"cost_centre": "4711"}
    assert policy_item(environment, "acme")["owner"] == {"S": "Ada"}


def test_policy_without_limits_has_none(environment: Environment) -> None:
    policy = policy_from_item(deserialize_item(policy_item(environment, "open")))
    assert policy.allows("anything")
    assert (policy.budgets, policy.tokens_per_minute, policy.requests_per_minute) == ((), None, None)
    assert (policy.max_output_tokens, policy.expires) == (None, None)


def test_gateway_reads_model_item(environment: Environment) -> None:
    item = deserialize_item(model_item(environment, "priced", model_prices(environment, "priced")))
    model = model_from_item("priced", item)
    assert (model.provider, model.upstream, model.free) == ("compatible", "org/llama-3.3", False)
    assert (model.max_output_tokens, model.max_input_tokens) == (0, 9_000)
    assert model.prices.rates("standard", 200_001).per_class["input"] == 1_000_000_000
    assert model.prices.rates("standard", 200_000).per_class["input"] == 37_500_000


def test_gateway_prices_a_request_by_its_own_time(environment: Environment, tmp_path: Path) -> None:
    item = deserialize_item(model_item(environment, "gpt-5-mini", changed(tmp_path, f"{LATER}, {LAST}")))
    model = model_from_item("gpt-5-mini", item)
    at = [
        model.at(int(datetime.fromisoformat(text).timestamp() * 1000))
        for text in ("2026-12-31T23:59:59.999Z", "2027-01-01T00:00Z", "2027-02-28T23:59:59.999Z", "2027-03-01T00:00Z")
    ]
    assert [model.prices.tiers["standard"][0].per_class["input"] for model in at] == [
        250_000_000,
        500_000_000,
        500_000_000,
        50_000_000,
    ]
    assert at[0] is model
    assert at[0].price_version == item["price_version"]
    assert at[1].price_version.endswith("/from-2027-01-01")
    assert at[3].price_version.endswith("/from-2027-03-01")
    assert [len(model.price_changes) for model in at] == [2, 1, 1, 0]


def test_free_model(environment: Environment) -> None:
    """The item must state that the model is free: a missing price must never mean 0."""
    model = model_from_item(
        "free", deserialize_item(model_item(environment, "free", model_prices(environment, "free")))
    )
    assert model.free
    assert set(model.prices.rates("standard", 1).per_class.values()) == {0}


def test_gateway_reads_key_item(environment: Environment) -> None:
    item = deserialize_item(key_item("acme", environment.consumers["acme"], "default", "abc123"))
    assert (item["pk"], item["sk"], item["name"], item["created_by"]) == ("KEY#abc123", "KEY", "default", "terraform")
    key = key_from_item("abc123", item, {})
    assert (key.consumer, key.status, key.expires) == (
        "acme",
        "active",
        parse_optional_time("2027-12-31T00:00:00+00:00"),
    )


def test_expiry_with_an_offset_is_stored_in_utc(tmp_path: Path) -> None:
    path = tmp_path / "test.toml"
    path.write_text(TEXT.replace("expires = 2027-12-31", "expires = 2027-12-31T23:00:00+02:00"))
    assert policy_item(load(path), "acme")["expires"] == {"S": "2027-12-31T21:00:00+00:00"}


def test_only_environments_of_the_embedded_cloud_are_relocated(environment: Environment, tmp_path: Path) -> None:
    """A variable left in a shell must never redirect a real environment's traffic."""
    variables = {"TOLLGATE_LOCAL_ENDPOINT": "http://127.0.0.1:9", "TOLLGATE_LOCAL_PROVIDER_URL": "http://127.0.0.1:8"}
    assert relocated(environment, variables) is environment
    path = tmp_path / "local.toml"
    path.write_text(TEXT.replace('region = "eu-west-3"', 'region = "eu-west-3"\nendpoint = "http://localhost:4566"'))
    moved = relocated(load(path), variables)
    assert moved.aws.endpoint == "http://127.0.0.1:9"
    urls = {name: provider.base_url for name, provider in runtime_config(moved).providers.items()}
    assert urls["local"] == "http://127.0.0.1:8/v1"
    assert urls["compatible"] == "https://llm.example/v1"
    assert urls["openai"] == "https://api.openai.com/v1"


def test_other_servers_on_this_machine_keep_their_address(tmp_path: Path) -> None:
    """A developer's Ollama would otherwise be replaced by the stand-in, silently."""
    path = tmp_path / "local.toml"
    text = TEXT.replace('region = "eu-west-3"', 'region = "eu-west-3"\nendpoint = "http://localhost:4566"')
    variables = {"TOLLGATE_LOCAL_PROVIDER_URL": "http://127.0.0.1:8"}
    for url in ("http://localhost:11434/v1", "http://127.0.0.1:1234", "http://localhost", "https://a.example:8099/v1"):
        path.write_text(text.replace("http://localhost:8099/v1", url))
        assert runtime_config(relocated(load(path), variables)).providers["local"].base_url == url
