"""Common mistakes in an environment file: the error must lead to the right value."""

from __future__ import annotations

from pathlib import Path

import pytest

from constructs_lib.settings import EnvironmentErrors, load
from tests.unit.test_settings_errors import GOOD, errors_of

CONSUMER = 'plan = "starter"'
PRICED = '[models.own]\nprovider = "openai"\nprices = {{ {} }}\n'
CHANGED = PRICED.replace("{}", "input = 1, output = 2") + "price_changes = [{{ {} }}]\n"

# Line of GOOD ("": its end), what to append, the key path, and words that the error must contain.
CASES = {
    "unit in a number": ("", '[gateway]\nmemory_mb = "512MB"\n', "gateway.memory_mb",
                         ["a whole number", "without quotes, unit or fraction"]),
    "seconds with a unit": ("", '[gateway]\ntimeout_seconds = "29s"\n', "gateway.timeout_seconds",
                            ["a number", "without quotes or unit"]),
    "fraction of a token": (CONSUMER, "tokens_per_minute = 1.5", "consumers.acme.tokens_per_minute", ["whole number"]),
    "yes for true": ("", '[gateway]\ntracing = "yes"\n', "gateway.tracing", ["true or false without quotes"]),
    "time for text": ('region = "eu-west-1"', "profile = 07:32:00", "aws.profile", ["07:32:00", "in quotes"]),
    "one model without brackets": (CONSUMER, 'models = "gpt-5-mini"', "consumers.acme.models", ["a list", "brackets"]),
    "one budget without brackets": (CONSUMER, 'budgets = { usd = 1, per = "day" }', "consumers.acme.budgets",
                                    ["a list", "brackets"]),
    "tags as a list": ('region = "eu-west-1"', 'tags = ["a"]', "aws.tags", ["a table", "[aws.tags]"]),
    "array of tables": ("", '[[functions2]]\n', "functions2", ['mean "functions"']),
    "German date": (CONSUMER, 'expires = "31.12.2027"', "consumers.acme.expires", ["2027-12-31", "year first"]),
    "date in quotes": (CONSUMER, 'expires = "2027-12-31"', "consumers.acme.expires", ["without quotes"]),
    "empty list of keys": (CONSUMER, "key_names = []", "consumers.acme.key_names", ["at least 1"]),
    "method in lower case": ('source = "examples/hello"', 'methods = ["get"]', "functions.example.methods[0]",
                             ["'GET'"]),
    "e notation": (CONSUMER, 'budgets = [{ usd = "1e3", per = "day" }]', "consumers.acme.budgets[0].usd", ["USD as"]),
    "thousands separator": (CONSUMER, 'budgets = [{ usd = "1_000", per = "day" }]', "consumers.acme.budgets[0].usd",
                            ["USD as"]),
    "window twice": (CONSUMER, 'budgets = [{ usd = 1, per = "day" }, { usd = 2, per = "day" }]',
                     "consumers.acme.budgets[1].per", ["each window once", "smaller"]),
    "key names without Terraform keys": (CONSUMER, 'keys = "operator"\nkey_names = ["ci"]', "consumers.acme.key_names",
                                   ['keys = "terraform"', "tollgate keys issue --label"]),
    "public prices at another URL": ('kind = "openai"', 'base_url = "https://proxy.example/v1"',
                                     "models.gpt-5-mini.prices",
                                     ['none for "https://proxy.example/v1", the base_url of providers.openai',
                                      'at the public API of openai they start at input = "0.25", output = "2"']),
    "price per token": ("", PRICED.format('input = "0.00000025", output = 2'), "models.own.prices.input",
                        ["0.00000025", "per million tokens", "write 0.25"]),
    "long context twice": ("", PRICED.format("input = 1, output = 2, long_context = [{ above = 9, input = 2, "
                                             "output = 3 }, { above = 9, input = 3, output = 4 }]"),
                           "models.own.prices.long_context[1].above", ["9", "each threshold once"]),
    "changes in the wrong order": ("", CHANGED.format(
        "from = 2027-02-01, input = 1, output = 2 }, { from = 2027-01-01, input = 2, output = 3"),
                                   "models.own.price_changes[1].from",
                                   ["2027-01-01", "a date after 2027-02-01", "sort the changes"]),
    "two changes on a day": ("", CHANGED.format('from = 2027-01-01, input = 1, output = 2 }, { from = "2027-01-01", '
                                                "input = 2, output = 3"),
                             "models.own.price_changes[1].from", ["a date after 2027-01-01", "each date once"]),
    "change at an hour": ("", CHANGED.format("from = 2027-01-01T09:00:00Z, input = 1, output = 2"),
                          "models.own.price_changes[0].from", ["2027-01-01 09:00:00", "2027-01-31", "midnight UTC"]),
    "German date of a change": ("", CHANGED.format('from = "01.02.2027", input = 1, output = 2'),
                                "models.own.price_changes[0].from", ['"01.02.2027"', "a date such as 2027-01-31"]),
    "no day of a change": ("", CHANGED.format('from = "2027-02-30", input = 1, output = 2'),
                           "models.own.price_changes[0].from", ['"2027-02-30"', "a date such as"]),
    "change without a date": ("", CHANGED.format("input = 1, output = 2"), "models.own.price_changes[0].from",
                              ["First day of these prices"]),
    "start for from": ("", CHANGED.format("from = 2027-01-01, start = 2027-01-01, input = 1, output = 2"),
                       "models.own.price_changes[0].start", ["one of the keys here", "from"]),
    "change without output": ("", CHANGED.format("from = 2027-01-01, input = 1"),
                              "models.own.price_changes[0].output", ["Output, reasoning included"]),
    "changed price per token": ("", CHANGED.format('from = 2027-01-01, input = "0.000002", output = 2'),
                                "models.own.price_changes[0].input", ["0.000002", "write 2"]),
    "long context twice in a change": ("", CHANGED.format(
        "from = 2027-01-01, input = 1, output = 2, long_context = [{ above = 9, input = 2, output = 3 }, { above = 9, "
        "input = 3, output = 4 }]"), "models.own.price_changes[0].long_context[1].above", ["9", "each threshold once"]),
    "change of a free model": ("", '[models.own]\nprovider = "openai"\nfree = true\nprice_changes = [{ from = '
                               "2027-01-01, input = 1, output = 2 }]\n", "models.own.free", ["remove one"]),
    "change of a model without prices": ("", '[models.own]\nprovider = "openai"\nprice_changes = [{ from = 2027-01-01, '
                                         "input = 1, output = 2 }]\n", "models.own.prices", ["add prices"]),
    "Anthropic's cache writes in a change": ("", '[providers.anthropic]\nkind = "anthropic"\n[models.claude-opus-4-1]\n'
                                             'provider = "anthropic"\nprice_changes = [{ from = 2027-01-01, input = 1, '
                                             "output = 2, cache_write_5m = 2 }]\n",
                                             'models.claude-opus-4-1.price_changes[0].cache_write_1h', ["Anthropic"]),
    "Claude's cache writes on Bedrock": ("", '[providers.aws]\nkind = "bedrock"\n[models.fast]\nprovider = "aws"\n'
                                        'upstream = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"\n'
                                        'prices = { input = "1.10", output = "5.50", cache_write_1h = "2.20" }\n',
                                        "models.fast.prices.cache_write_5m", ["Anthropic", '"1.375"']),
    "Claude's cache writes behind OpenAI's API": ("", '[providers.proxy]\nkind = "openai"\nbase_url = '
                                                 '"https://llm.example/v1"\n[models."anthropic/Claude@20260101"]\n'
                                                 'provider = "proxy"\nprices = { input = 3, output = 15, '
                                                 "cache_write_5m = 4 }\n",
                                                 'models."anthropic/Claude@20260101".prices.cache_write_1h',
                                                 ["Anthropic", '"6"']),
    "alias of a KMS key": ("", '[gateway]\nkms_key_arn = "arn:aws:kms:eu-west-1:111122223333:alias/own"\n',
                       "gateway.kms_key_arn", ["not of an alias"]),
    "web ACL of CloudFront": ("", "[gateway]\nwaf_acl_arn = "
                              '"arn:aws:wafv2:eu-west-1:111122223333:global/webacl/own/1234"\n',
                              "gateway.waf_acl_arn", ["regional web ACL"]),
    "bucket with capitals": ('region = "eu-west-1"', 'backend = { bucket = "My_State" }', "aws.backend.bucket",
                           ["lower-case letters"]),
    "absolute key of the state": ('region = "eu-west-1"', 'backend = { bucket = "state", key = "/a" }',
                                  "aws.backend.key", ["does not start or end with /"]),
}  # fmt: skip


@pytest.mark.parametrize(("line", "more", "key_path", "words"), CASES.values(), ids=CASES)
def test_error_text(tmp_path: Path, line: str, more: str, key_path: str, words: list[str]) -> None:
    errors = errors_of(tmp_path, GOOD.replace(line, f"{line}\n{more}", 1) if line else GOOD + more)
    assert list(errors) == [key_path]
    text = errors[key_path].text()
    assert not [word for word in words if word not in text], text
    assert "tuple" not in text
    assert "dictionary" not in text


def test_invalid_region_hides_no_other_error(tmp_path: Path) -> None:
    """Otherwise the other errors would appear one run later."""
    text = GOOD.replace('"eu-west-1"', '"Ireland"').replace(CONSUMER, 'plan = "startr"')
    text += '[gateway]\nkms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/1"\n'
    assert set(errors_of(tmp_path, text)) == {"aws.region", "consumers.acme.plan"}
    assert set(errors_of(tmp_path, text.partition("[providers")[1] + text.partition("[providers")[2])) == {
        "aws",
        "consumers.acme.plan",
    }


def test_password_in_a_url_is_masked(tmp_path: Path) -> None:
    text = GOOD.replace('kind = "openai"', 'kind = "openai"\nbase_url = "https://me:hunter2@llm.example/v1"')
    error = errors_of(tmp_path, text)["providers.openai.base_url"].text()
    assert "no secrets" in error
    assert "hunter2" not in error


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[aws]\nregion = eu-west-1\n", ["line 2", "region = eu-west-1", "text in quotes"]),
        (f"{GOOD}[plans.starter]\nrate = 1\n", ["line 14", "merge it with the other [plans.starter] above"]),
        ('[aws]\nregion = "eu-west-1"\nregion = "eu-west-2"\n', ["line 3", "the line above that sets the same key"]),
        ('[aws]\nregion = "eu-west-1\n', ["line 2"]),
        ('[aws]\nkey = sk-proj-abcdefghijklmnop1234\n', ["masked"]),
        ("", ["aws", "add [aws]"]),
    ],
)  # fmt: skip
def test_invalid_toml_shows_the_line(tmp_path: Path, text: str, words: list[str]) -> None:
    (error,) = errors_of(tmp_path, text).values()
    assert not [word for word in words if word not in error.text()], error.text()
    assert "abcdefghijklmnop1234" not in error.text()


@pytest.mark.parametrize("change", [lambda text: b"\xef\xbb\xbf" + text, lambda text: text.replace(b"\n", b"\r\n")])
def test_files_of_windows_editors(tmp_path: Path, change: object) -> None:
    assert callable(change)
    (tmp_path / "test.toml").write_bytes(change(GOOD.encode()))
    assert load(tmp_path / "test.toml").aws.region == "eu-west-1"


def test_wrong_encoding_shows_the_line(tmp_path: Path) -> None:
    (tmp_path / "test.toml").write_bytes(b"[aws]\nregion = '\xfc'\n")
    with pytest.raises(EnvironmentErrors, match="line 2"):
        load(tmp_path / "test.toml")


def test_folder_instead_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "test.toml").mkdir()
    with pytest.raises(EnvironmentErrors, match="a readable file"):
        load(tmp_path / "test.toml")
