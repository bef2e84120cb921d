"""Errors of `[domain]`, and of settings that people write in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from constructs_lib import cost_estimate
from constructs_lib.settings import load
from tests.unit.test_settings_errors import GOOD, errors_of

CERTIFICATE = "arn:aws:acm:eu-west-1:111122223333:certificate/12345678-1234-1234-1234-123456789012"
DOMAIN = f'[domain]\nname = "ai.example.com"\ncertificate_arn = "{CERTIFICATE}"\n'

# Setting of [domain], its value, and words that the error must contain.
VALUES = {
    "wildcard": ("name", "*.example.com", ["a host name in lower case such as ai.example.com", "wildcard"]),
    "URL": ("name", "https://ai.example.com", ["without https://"]),
    "path": ("name", "ai.example.com/gateway", ["path"]),
    "port": ("name", "ai.example.com:443", ["port"]),
    "capitals": ("name", "AI.example.com", ["lower case"]),
    "one label": ("name", "localhost", ["a host name"]),
    "address": ("name", "192.0.2.1", ["a host name"]),
    "root dot": ("name", "ai.example.com.", ["a host name"]),
    "underscore": ("name", "my_ai.example.com", ["a host name"]),
    "hyphen first": ("name", "-ai.example.com", ["a host name"]),
    "umlaut": ("name", "kï.example.com", ["a host name"]),
    "long label": ("name", f"{'a' * 64}.example.com", ["a host name"]),
    "long name": ("name", f"{('a' * 60 + '.') * 4}example.com", ["at most 253"]),
    "empty name": ("name", "", ["a host name"]),
    "IAM certificate": ("certificate_arn", "arn:aws:iam::111122223333:server-certificate/x", ["an ACM certificate"]),
    "certificate without its ARN": ("certificate_arn", "12345678-1234-1234-1234-123456789012", ["an ACM certificate"]),
    "certificate of an edge-optimized API": (
        "certificate_arn",
        CERTIFICATE.replace("eu-west-1", "us-east-1"),
        ["a certificate in aws.region, eu-west-1", "request or import it in eu-west-1", "this API is regional"],
    ),
    "certificate of another partition": (
        "certificate_arn", CERTIFICATE.replace("arn:aws:", "arn:aws-cn:"), ["starts with arn:aws:acm:eu-west-1:"],
    ),
    "slash first": ("base_path", "/gateway", ["without slashes"]),
    "two levels": ("base_path", "ai/gateway", ["one path part"]),
    "empty base path": ("base_path", "", ["one path part"]),
    "dots": ("base_path", "..", ["starting with a letter or digit"]),
    "percent": ("base_path", "a%2Fb", ["letters, digits"]),
    "reserved": ("base_path", "ping", ["API Gateway answers /ping and /sping itself", "choose another"]),
    "zone with its prefix": ("hosted_zone_id", "/hostedzone/Z0123456789", ["without /hostedzone/"]),
    "zone's name": ("hosted_zone_id", "example.com", ["the id of a hosted zone"]),
    "IPv6 alone": ("ip_address_type", "ipv6", ["'dualstack' or 'ipv4'"]),
}  # fmt: skip


@pytest.mark.parametrize(("setting", "value", "words"), VALUES.values(), ids=VALUES)
def test_a_wrong_value(tmp_path: Path, setting: str, value: str, words: list[str]) -> None:
    lines = [line for line in DOMAIN.splitlines() if not line.startswith(setting)]
    text = GOOD + "\n".join([*lines, f'{setting} = "{value}"'])
    ((key_path, error),) = errors_of(tmp_path, text).items()
    assert key_path == f"domain.{setting}"
    assert not [word for word in words if word not in error.text()], error.text()


# Line to append to GOOD, the key path, and the fix.
NAMES = {
    "custom_domain": ('[custom_domain]\nname = "x"', "custom_domain", "use the section [domain]"),
    "a text": ('custom_domain = "x"', "custom_domain", "set name in the section [domain]"),
    "domain_name": ('[gateway]\ndomain_name = "x"', "gateway.domain_name", "set name in the section [domain]"),
    "gateway.domain": ('[gateway]\ndomain = "ai.example.com"', "gateway.domain", "set name in the section [domain]"),
    "gateway.custom-domain": (
        '[gateway]\n"custom-domain" = "x.example.com"', "gateway.custom-domain", "set name in the section [domain]",
    ),
    "alerts.certificate": ('[alerts]\ncertificate = "x"', "alerts.certificate", "set certificate_arn in the"),
    "certificate": ("[certificate]\narn = 1", "certificate", "use the section [domain]"),
    "base_path": ('[gateway]\nbase_path = "x"', "gateway.base_path", "set base_path in the section [domain]"),
    "a provider's base_path": ('[providers.own]\nbase_path = "x"', "providers.own.base_path", "remove it"),
    "route53": ('[route53]\nzone = "x"', "route53", "use the section [domain]"),
    "disabled endpoint": (
        "[gateway]\ndisable_execute_api_endpoint = true", "gateway.disable_execute_api_endpoint",
        "set disable_execute_api_endpoint in the section [domain]",
    ),
    "domain.certificate": (f'{DOMAIN}certificate = "x"', "domain.certificate", 'did you mean "certificate_arn"?'),
    "domain.domain_name": (f'{DOMAIN}domain_name = "x"', "domain.domain_name", "set name in the section [domain]"),
    "the name alone": ("", "domain", "put such lines below [domain]"),
}  # fmt: skip


@pytest.mark.parametrize(("line", "key_path", "fix"), NAMES.values(), ids=NAMES)
def test_another_name_leads_to_the_setting(tmp_path: Path, line: str, key_path: str, fix: str) -> None:
    line = line or 'domain = "ai.example.com"'
    text = GOOD + line if "[" in line else f"{line}\n{GOOD}"
    assert fix in errors_of(tmp_path, text)[key_path].fix


@pytest.mark.parametrize("path", ["/ping", "/sping/{id}"])
def test_paths_that_api_gateway_answers_itself(tmp_path: Path, path: str) -> None:
    """At the root of a custom domain only."""
    function = f'path = "{path}"\n'
    ((key_path, error),) = errors_of(tmp_path, GOOD + function + DOMAIN).items()
    assert key_path == "functions.example.path"
    assert "set domain.base_path" in error.fix
    (tmp_path / "good.toml").write_text(f'{GOOD}{function}{DOMAIN}base_path = "v"\n')
    load(tmp_path / "good.toml")
    (tmp_path / "good.toml").write_text(GOOD + function)
    load(tmp_path / "good.toml")


def test_missing_settings_are_reported_together(tmp_path: Path) -> None:
    errors = errors_of(tmp_path, f'{GOOD}[domain]\nbase_path = "x"\n')
    assert set(errors) == {"domain.name", "domain.certificate_arn"}


def test_a_domain_costs_nothing_and_is_counted(tmp_path: Path) -> None:
    """API Gateway, public certificates and queries of alias records are free; the hosted zone exists already."""
    (tmp_path / "good.toml").write_text(GOOD + DOMAIN)
    (item,) = [item for item in cost_estimate.idle(load(tmp_path / "good.toml")) if "domain" in item.name]
    assert (item.count, item.usd) == (1, 0)
