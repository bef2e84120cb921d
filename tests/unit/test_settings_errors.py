"""Errors of an environment file: each says what is wrong, what was given, what is accepted and what to do."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from constructs_lib.settings import EnvironmentErrors, load
from constructs_lib.settings.validation_errors import SettingError, dotted

GOOD = """\
[aws]
region = "eu-west-1"
[providers.openai]
kind = "openai"
[models."gpt-5-mini"]
provider = "openai"
[plans.starter]
rate = 10
burst = 5
[consumers.acme]
plan = "starter"
[functions.example]
source = "examples/hello"
"""

# Part of GOOD to replace ("": append), its replacement, the key path, and words that the error must contain.
CASES = {
    "unknown section": ("", '[gatway]\nstage = "v1"\n', "gatway", ['did you mean "gateway"?']),
    "unknown key": ("burst = 5", "burst = 5\nqouta = 1", "plans.starter.qouta", ["1", 'did you mean "quota"?']),
    "missing key": ("burst = 5\n", "", "plans.starter.burst", ["Requests that may arrive at once", "add it"]),
    "number in quotes": ("burst = 5", 'burst = "5"', "plans.starter.burst", ['"5"', "without quotes"]),
    "boolean for a number": ("burst = 5", "burst = true", "plans.starter.burst", ["true", "a whole number"]),
    "negative rate": ("rate = 10", "rate = -1", "plans.starter.rate", ["-1", "greater than or equal to 0"]),
    "infinite rate": ("rate = 10", "rate = inf", "plans.starter.rate", ["finite"]),
    "kind mistyped": ('kind = "openai"', 'kind = "opena"', "providers.openai.kind", ['"opena"', 'mean "openai"']),
    "mistyped alarm": ("", '[alerts]\ndisabled = ["server-erors"]\n', "alerts.disabled[0]", ['mean "server-errors"']),
    "alarm of an unknown provider": ("", '[alerts]\ndisabled = ["upstream-errors-openia"]\n', "alerts.disabled[0]",
                             ['mean "upstream-errors-openai"']),
    "endpoint without TLS": ("", '[alerts]\nhttps = ["http://pager.example.com"]\n', "alerts.https[0]", ["https URL"]),
    "Slack channel name instead of its id": ("", '[alerts]\nslack = { workspace_id = "T01", channel_id = "#alerts" }\n',
                             "alerts.slack.channel_id", ["#alerts", "C01ABCDEFGH"]),
    "invalid pattern": ("", '[prompts]\npatterns = ["ok", "a(b"]\n', "prompts.patterns[1]",
                       ["a(b", "regular expression", "unterminated subpattern"]),
    "bad region": ('"eu-west-1"', '"Ireland"', "aws.region", ['"Ireland"', "such as eu-west-1"]),
    "bad name": ("consumers.acme", 'consumers."Acme Inc"', 'consumers."Acme Inc"', ["lower-case letters", "rename"]),
    "more reserved than the account has": ("", "[gateway]\nreserved_concurrency = 5\naccount_concurrency = 104\n",
                        "gateway.reserved_concurrency", ["5", "at most 4", "Service Quotas"]),
    "reserved in a new account": ("", "[gateway]\nreserved_concurrency = 1\naccount_concurrency = 10\n",
                        "gateway.reserved_concurrency", ["1", "at most 0"]),
    "requests too large for Lambda": ("", "[gateway]\nmax_request_bytes = 4_500_001\n", "gateway.max_request_bytes",
                                      ["4500001", "4500000"]),
    "unknown plan": ('plan = "starter"', 'plan = "startr"', "consumers.acme.plan", ["startr", 'mean "starter"']),
    "search model at the price of its base model": ('provider = "openai"', 'provider = "openai"\nupstream = '
                        '"sonar-deep-research"\n', "models.gpt-5-mini.prices", ["fee per search", "typical"]),
    "unknown provider": ('provider = "openai"', 'provider = "x"', "models.gpt-5-mini.provider",
                         ["[providers]: openai", 'add [providers."x"]']),
    "unknown model": ('plan = "starter"', 'plan = "starter"\nmodels = ["gpt5-mini"]', "consumers.acme.models[0]",
                      ["gpt5-mini", 'did you mean "gpt-5-mini"?']),
    "star and names": ('plan = "starter"', 'plan = "starter"\nmodels = ["*", "gpt-5-mini"]', "consumers.acme.models[0]",
                       ["alone"]),
    "negative budget": ('plan = "starter"', 'plan = "starter"\nbudgets = [{ usd = -1, per = "day" }]',
                        "consumers.acme.budgets[0].usd", ["-1", "not negative"]),
    "budget per year": ('plan = "starter"', 'plan = "starter"\nbudgets = [{ usd = 1, per = "year" }]',
                        "consumers.acme.budgets[0].per", ['"year"', "'day', 'week', 'month' or 'total'"]),
    "too fine a price": ('provider = "openai"', 'provider = "openai"\nprices = { input = "0.0000000001", output = 1 }',
                         "models.gpt-5-mini.prices.input", ["nine decimal places"]),
    "model without a price": ('models."gpt-5-mini"', 'models."gpt-5-minni"', "models.gpt-5-minni.prices",
                              ["vendored price table", "free = true", '"gpt-5-mini"']),
    "free with a price": ('provider = "openai"', 'provider = "openai"\nfree = true\nprices = { input = 1, output = 1 }',
                          "models.gpt-5-mini.free", ["remove one"]),
    "ambiguous Terraform name": ("", '[models."gpt-5.1"]\nprovider = "openai"\nfree = true\n'
                                 '[models."gpt-5:1"]\nprovider = "openai"\nfree = true\n', 'models."gpt-5:1"',
                                 ['"gpt-5.1"', "rename"]),
    "unsupported retention": ("", "[gateway]\nlog_retention_days = 91\n", "gateway.log_retention_days",
                                     ["91", "60, 90, 120"]),
    "provider slower than API Gateway": ("", "[gateway]\nstream = false\nupstream_timeout_seconds = 29\n",
                                         "gateway.upstream_timeout_seconds", ["29", "less than gateway."]),
    "provider as slow as the Lambda": ("", "[gateway]\nupstream_timeout_seconds = 892\n",
                                       "gateway.upstream_timeout_seconds",
                                       ["892", "less than 892, 8 below the Lambda's timeout"]),
    "buffered for longer than API Gateway waits": ("", "[gateway]\nstream = false\ntimeout_seconds = 301\n",
                                                   "gateway.timeout_seconds", ["301", "at most 300 without streaming"]),
    "hold shorter than a request": ("", "[gateway]\nstream = false\n[metering]\nhold_seconds = 34\n",
                                    "metering.hold_seconds", ["34", "more than the Lambda's timeout, 34"]),
    "hold shorter than a stream": ("", "[metering]\nhold_seconds = 900\n", "metering.hold_seconds",
                                   ["900", "more than the Lambda's timeout, 900"]),
    "function slower than API Gateway": ('source = "examples/hello"', 'source = "x"\ntimeout_seconds = 29',
                                         "functions.example.timeout_seconds", ["29"]),
    "reserved path": ('source = "examples/hello"', 'source = "x"\npath = "/v1/chat"',
                               "functions.example.path", ["/v1/chat", "outside /v1, /openai, /bedrock"]),
    "reserved alias": ('source = "examples/hello"', 'source = "x"\npath = "/openai/batches"',
                       "functions.example.path", ["/openai/batches"]),
    "path twice": ("", '[functions.other]\nsource = "x"\npath = "/example"\n', "functions.other.path",
                   ["functions.example"]),
    "two names for one parameter": ("", '[functions.one]\nsource = "x"\npath = "/t/{a}"\n'
                                    '[functions.two]\nsource = "x"\npath = "/t/{b}/c"\n', "functions.two.path",
                                    ["{a} after /t"]),
    "reserved function name": ("", '[functions.sweeper]\nsource = "x"\n', "functions.sweeper", ["rename"]),
    "ANY with other methods": ('source = "examples/hello"', 'source = "x"\nmethods = ["ANY", "GET"]',
                          "functions.example.methods", ["alone"]),
    "secret for Bedrock": ("", '[providers.aws]\nkind = "bedrock"\nsecret = "name"\n', "providers.aws.secret",
                           ["role"]),
    "region without Bedrock": ('kind = "openai"', 'kind = "openai"\nregion = "eu-west-1"', "providers.openai.region",
                               ["bedrock"]),
    "key of another region": ("", '[gateway]\nkms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/a"\n',
                              "gateway.kms_key_arn", ["us-east-1", "eu-west-1"]),
    "secret of another region": ('kind = "openai"',
                                 'kind = "openai"\nsecret = "arn:aws:secretsmanager:eu-west-2:111122223333:secret:a"',
                                 "providers.openai.secret", ["eu-west-2", "eu-west-1"]),
    "reserved variable": ('source = "examples/hello"',
                                 'source = "x"\nenvironment = { AWS_REGION = "eu-west-2" }',
                                 "functions.example.environment.AWS_REGION", ["Lambda does not reserve"]),
    "tag that IAM rejects": ('region = "eu-west-1"', 'region = "eu-west-1"\ntags = { owner = "R&D" }',
                             "aws.tags.owner", ['"R&D"', "as AWS requires"]),
    "reserved tag": ('region = "eu-west-1"', 'region = "eu-west-1"\ntags = { "aws:owner" = "me" }',
                         'aws.tags."aws:owner"', ["not starting with aws:"]),
    "state in two places": ('region = "eu-west-1"', 'region = "eu-west-1"\nbackend = { path = "a", bucket = "state" }',
                            "aws.backend", ["remove one"]),
    "absolute state path": ('region = "eu-west-1"', 'region = "eu-west-1"\nbackend = { path = "/a" }',
                            "aws.backend.path", ["relative"]),
    "Anthropic model without a cache write price": ("", '[providers.anthropic]\nkind = "anthropic"\n[models.claude]\n'
                                  'provider = "anthropic"\nprices = { input = 3, cache_write_5m = 4, output = 15 }\n',
                                  "models.claude.prices.cache_write_1h", ["Anthropic"]),
    "quota of zero": ("burst = 5", 'burst = 5\nquota = { limit = 0, period = "day" }', "plans.starter.quota.limit",
                         ["0", "greater than or equal to 1"]),
    "same e-mail twice": ("", '[alerts]\nemails = ["a@b.example", "a@b.example"]\n', "alerts.emails", ["once"]),
    "Terraform's own syntax": ('plan = "starter"', 'plan = "starter"\nowner = "${path.root}"', "consumers.acme.owner",
                               ["Terraform would evaluate the text"]),
}  # fmt: skip


def errors_of(folder: Path, text: str, name: str = "test.toml") -> dict[str, SettingError]:
    """Errors by key path of a file with this text, which must be invalid."""
    path = folder / name
    path.write_text(text)
    with pytest.raises(EnvironmentErrors) as raised:
        load(path)
    return {dotted(error.key_path): error for error in raised.value.errors}


def test_valid_file(tmp_path: Path) -> None:
    path = tmp_path / "test.toml"
    path.write_text(GOOD)
    assert load(path).name == "test"


@pytest.mark.parametrize(("old", "new", "key_path", "words"), CASES.values(), ids=CASES)
def test_error_text(tmp_path: Path, old: str, new: str, key_path: str, words: list[str]) -> None:
    assert GOOD.count(old) >= 1
    errors = errors_of(tmp_path, GOOD.replace(old, new, 1) if old else GOOD + new)
    assert list(errors) == [key_path]
    text = errors[key_path].text()
    assert not [word for word in words if word not in text], text
    assert "accepted:" in text
    assert "fix:" in text


def test_all_errors_at_once(tmp_path: Path) -> None:
    """Within sections and across sections, also two errors of one entry."""
    text = GOOD.replace("burst = 5", 'burst = "5"').replace('plan = "starter"', 'plan = "no"\nexpires = "soon"')
    text += "[gateway]\nstream = false\nupstream_timeout_seconds = 40\nmemory = 1\n"
    text = text.replace('kind = "openai"', 'kind = "closed"').replace('provider = "openai"', 'provider = "nobody"')
    assert set(errors_of(tmp_path, text)) == {
        "plans.starter.burst",
        "consumers.acme.plan",
        "consumers.acme.expires",
        "providers.openai.kind",
        "models.gpt-5-mini.provider",
        "gateway.upstream_timeout_seconds",
        "gateway.memory",
    }


def test_no_error_for_a_reference_to_an_invalid_entry(tmp_path: Path) -> None:
    """Otherwise one mistake in a plan would cause one error per consumer."""
    assert list(errors_of(tmp_path, GOOD.replace("rate = 10\n", ""))) == ["plans.starter.rate"]


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefghijklmnop1234",
        "sk-ant-api03-abcdefghijklmnop",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6.eyJzdWIiOiIxMjM0",
    ],
)
@pytest.mark.parametrize("place", ['secret = "{}"', '"{}" = 1', 'base_url = "https://x.example/{}"'])
def test_secret_is_rejected_and_masked(tmp_path: Path, secret: str, place: str) -> None:
    path = tmp_path / "test.toml"
    path.write_text(GOOD.replace('kind = "openai"', 'kind = "openai"\n' + place.format(secret)))
    with pytest.raises(EnvironmentErrors) as raised:
        load(path)
    assert "put-secret-value" in str(raised.value)
    assert secret[4:] not in str(raised.value)


def test_syntax_error_shows_the_line(tmp_path: Path) -> None:
    assert "line 2" in errors_of(tmp_path, "[aws]\nregion = eu\n")[""].text()


def test_duplicate_key_is_a_syntax_error(tmp_path: Path) -> None:
    assert "line 3" in errors_of(tmp_path, '[aws]\nregion = "eu-west-1"\nregion = "eu-west-2"\n')[""].text()


def test_file_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "test.toml").write_bytes(b"[aws]\nregion = '\xff'\n")
    with pytest.raises(EnvironmentErrors, match="save the file as UTF-8"):
        load(tmp_path / "test.toml")


def test_file_name_is_validated(tmp_path: Path) -> None:
    """It is part of every AWS name, and some must not exceed 64 characters."""
    assert "rename the file" in errors_of(tmp_path, GOOD, "My Env.toml")[""].text()
    assert "at most 20 characters" in errors_of(tmp_path, GOOD, "an-environment-too-long.toml")[""].text()


def test_too_many_plans(tmp_path: Path) -> None:
    """AWS would reject the 301st in the middle of an apply."""
    plans = "".join(f"[plans.p{number}]\nrate = 1\nburst = 1\n" for number in range(300))
    assert list(errors_of(tmp_path, GOOD + plans)) == ["plans"]


def test_configuration_too_large_for_a_lambda(tmp_path: Path) -> None:
    providers = "".join(
        f'[providers.provider-with-a-long-name-{number}]\nkind = "openai"\nbase_url = "https://{number}.example"\n'
        for number in range(20)
    )
    assert "4 KB" in errors_of(tmp_path, GOOD + providers)["providers"].text()


def test_unquoted_amount_is_exact(tmp_path: Path) -> None:
    """0.1 has no exact float, so the loader must not create one."""
    path = tmp_path / "test.toml"
    path.write_text(GOOD.replace('plan = "starter"', 'plan = "starter"\nbudgets = [{ usd = 0.1, per = "day" }]'))
    (budget,) = load(path).consumers["acme"].budgets
    assert str(budget.usd) == "0.1"
    assert tomllib.loads("usd = 0.1")["usd"] + 0.2 != 0.3


def test_zero_is_a_limit(tmp_path: Path) -> None:
    """A limit of 0 differs from no limit."""
    zeros = 'plan = "starter"\nbudgets = [{ usd = 0, per = "total" }]\ntokens_per_minute = 0\nrequests_per_minute = 0'
    path = tmp_path / "test.toml"
    path.write_text(
        GOOD.replace('plan = "starter"', zeros).replace("rate = 10\nburst = 5", "rate = 0\nburst = 0")
        + "[gateway]\nreserved_concurrency = 0\n[metering]\nusage_retention_days = 0\n"
    )
    environment = load(path)
    consumer = environment.consumers["acme"]
    assert (consumer.budgets[0].usd, consumer.tokens_per_minute, consumer.requests_per_minute) == (0, 0, 0)
    assert (environment.plans["starter"].rate, environment.plans["starter"].burst) == (0, 0)
    assert environment.gateway.reserved_concurrency == 0
    assert environment.metering.usage_retention_days == 0
