"""`[network]` and plain http: values, what excludes what, and names that people write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from constructs_lib import cost_estimate
from constructs_lib.settings import Environment, load
from constructs_lib.settings.network import OTHER_NAMES, NetworkSettings
from constructs_lib.synth_warnings import synth_notes, synth_warnings
from constructs_lib.vpc_needs import needed_hosts, needed_services
from tests.unit.test_settings_errors import GOOD, errors_of

VPC = 'subnet_ids = ["subnet-0123456789abcdef0"]\nsecurity_group_ids = ["sg-01234567"]\n'
PROVIDER = 'kind = "openai"'
PROVIDED = 'provider = "openai"'
PRIVATE = 'private = { vpc_endpoints = ["vpce-0123456789abcdef0"] }\n'

# What to put into [network], the key path, and words that the error must contain.
CASES = {
    "subnet of another shape": ('subnet_ids = ["subnet-12"]\nsecurity_group_ids = ["sg-01234567"]',
                                "network.subnet_ids[0]", ['"subnet-12"', "subnet-0123456789abcdef0"]),
    "subnet for a security group": ('subnet_ids = ["subnet-01234567"]\nsecurity_group_ids = ["subnet-01234567"]',
                                    "network.security_group_ids[0]", ["sg-0123456789abcdef0"]),
    "subnet twice": ('subnet_ids = ["subnet-01234567", "subnet-01234567"]\nsecurity_group_ids = ["sg-01234567"]',
                     "network.subnet_ids", ["each value once"]),
    "17 subnets": (f'subnet_ids = {[f"subnet-{number:08x}" for number in range(17)]}\n'
                   'security_group_ids = ["sg-01234567"]', "network.subnet_ids", ["at most 16"]),
    "6 security groups": (f'subnet_ids = ["subnet-01234567"]\nsecurity_group_ids = '
                          f'{[f"sg-{number:08x}" for number in range(6)]}', "network.security_group_ids",
                          ["at most 5"]),
    "no security group": ('subnet_ids = ["subnet-01234567"]', "network.security_group_ids",
                          ["at least one with network.subnet_ids", "add security_group_ids"]),
    "no subnet": ('security_group_ids = ["sg-01234567"]', "network.subnet_ids",
                  ["at least one with network.security_group_ids", "add subnet_ids"]),
    "private without an endpoint": ("private = { vpc_endpoints = [] }", "network.private.vpc_endpoints",
                                    ["at least 1"]),
    "private as a flag": ("private = true", "network.private", ["a table", "vpc_endpoints"]),
    "service name for an endpoint": ('private = { vpc_endpoints = ["com.amazonaws.eu-west-1.execute-api"] }',
                                     "network.private.vpc_endpoints[0]", ["vpce-0123456789abcdef0"]),
    "host bits": ('allowed_ips = ["198.51.100.7/24"]', "network.allowed_ips[0]",
                  ['"198.51.100.7/24"', "the first of the block: 198.51.100.0/24"]),
    "a host name": ('allowed_ips = ["office.example.com"]', "network.allowed_ips[0]", ["an address or a CIDR block"]),
    "mask too long": ('allowed_ips = ["198.51.100.0/33"]', "network.allowed_ips[0]", ["an address or a CIDR block"]),
    "zone of an address": ('allowed_ips = ["fe80::1%eth0"]', "network.allowed_ips[0]", ["an address or a CIDR block"]),
    "the same address twice": ('allowed_ips = ["198.51.100.7", "198.51.100.7/32"]', "network.allowed_ips",
                               ["each value once"]),
    "private addresses for a public API": ('allowed_ips = ["198.51.100.0/24", "10.1.0.0/16"]',
                                           "network.allowed_ips[1]", ["10.1.0.0/16", "public addresses", "NAT"]),
    "unique local IPv6": ('allowed_ips = ["fd00::/8"]', "network.allowed_ips[0]", ["public addresses"]),
}  # fmt: skip


DOMAIN = """[domain]
name = "ai.example.com"
certificate_arn = "arn:aws:acm:eu-west-1:111122223333:certificate/12345678-1234-1234-1234-123456789012"
"""


def test_a_private_api_has_no_custom_domain(tmp_path: Path) -> None:
    errors = errors_of(tmp_path, f"{GOOD}{DOMAIN}[network]\n{PRIVATE}")
    assert list(errors) == ["network.private"]
    assert "remove [domain], or network.private" in errors["network.private"].text()


@pytest.mark.parametrize(
    ("ranges", "addresses", "warned"),
    [
        ('["198.51.100.0/24"]', "", True),
        ('["198.51.100.0/24", "2001:db8::/32"]', "", False),
        ('["198.51.100.0/24"]', 'ip_address_type = "ipv4"', False),
        ("[]", "", False),
    ],
)
def test_an_allow_list_without_ipv6_is_warned_of_at_a_dualstack_domain(
    tmp_path: Path, ranges: str, addresses: str, warned: bool
) -> None:
    (tmp_path / "test.toml").write_text(f"{GOOD}{DOMAIN}{addresses}\n[network]\nallowed_ips = {ranges}\n")
    warnings = "\n".join(synth_warnings(load(tmp_path / "test.toml")))
    assert ("no IPv6 addresses" in warnings) == warned


@pytest.mark.parametrize(("section", "key_path", "words"), CASES.values(), ids=CASES)
def test_error_text(tmp_path: Path, section: str, key_path: str, words: list[str]) -> None:
    errors = errors_of(tmp_path, f"{GOOD}[network]\n{section}\n")
    assert list(errors) == [key_path]
    text = errors[key_path].text()
    assert not [word for word in words if word not in text], text


def test_an_invalid_subnet_is_one_error(tmp_path: Path) -> None:
    """Not one more for the security groups, the function and the URL that need the subnet."""
    text = GOOD.replace('source = "examples/hello"', 'source = "examples/hello"\nvpc = true')
    text += '[providers.own]\nkind = "openai"\nbase_url = "http://llm.internal/v1"\n'
    errors = errors_of(tmp_path, f'{text}[network]\nsubnet_ids = ["x"]\nsecurity_group_ids = ["sg-01234567"]\n')
    assert list(errors) == ["network.subnet_ids[0]"]
    errors = errors_of(tmp_path, f"{text}[network]\nsubnet_ids = []\n")
    assert list(errors) == ["functions.example.vpc", "providers.own.base_url"]


def test_addresses_have_one_form(tmp_path: Path) -> None:
    network = loaded(tmp_path, 'allowed_ips = ["198.51.100.7", "2001:0db8:0001::/48", "0.0.0.0/0"]').network
    assert network.allowed_ips == ("198.51.100.7/32", "2001:db8:1::/48", "0.0.0.0/0")


def loaded(folder: Path, section: str, text: str = GOOD) -> Environment:
    (folder / "test.toml").write_text(f"{text}[network]\n{section}\n")
    return load(folder / "test.toml")


@pytest.mark.parametrize(
    "url",
    ["http://llm.example.com/v1", "http://10.1.2.3:8000/v1", "http://localhost.example.com/v1", "http://[2001:db8::1]/v1",
     "http://0.0.0.0:8000/v1"],
)  # fmt: skip
def test_plain_http_needs_a_vpc(tmp_path: Path, url: str) -> None:
    """The provider's key and all prompts would cross the internet in plain text."""
    text = GOOD.replace(PROVIDER, f'{PROVIDER}\nbase_url = "{url}"').replace(PROVIDED, f"{PROVIDED}\nfree = true")
    errors = errors_of(tmp_path, text)
    assert list(errors) == ["providers.openai.base_url"]
    assert "[network] subnet_ids" in errors["providers.openai.base_url"].text()
    assert loaded(tmp_path, VPC, text).providers["openai"].base_url == url


@pytest.mark.parametrize("url", ["http://localhost:11434/v1", "http://127.0.0.1/v1", "http://[::1]:8080/v1"])
def test_plain_http_to_this_machine(tmp_path: Path, url: str) -> None:
    text = GOOD.replace(PROVIDER, f'{PROVIDER}\nbase_url = "{url}"').replace(PROVIDED, f"{PROVIDED}\nfree = true")
    assert loaded(tmp_path, "", text).providers["openai"].base_url == url


def test_plain_http_to_a_public_api_is_refused_in_a_vpc_too(tmp_path: Path) -> None:
    for kind, url in (("openai", "http://api.openai.com/v1"), ("anthropic", "http://api.anthropic.com")):
        provider = f'[providers.plain]\nkind = "{kind}"\nbase_url = "{url}"\n'
        errors = errors_of(tmp_path, f"{GOOD}{provider}[network]\n{VPC}")
        assert "write https://" in errors["providers.plain.base_url"].text()


def test_custom_function_needs_the_vpc(tmp_path: Path) -> None:
    text = GOOD.replace('source = "examples/hello"', 'source = "examples/hello"\nvpc = true')
    errors = errors_of(tmp_path, text)
    assert "add [network]" in errors["functions.example.vpc"].text()
    assert loaded(tmp_path, VPC, text).functions["example"].vpc


@pytest.mark.parametrize(
    ("line", "key_path", "fix"),
    [
        ("[vpc]\nsubnets = []", "vpc", "use the section [network]"),
        ("[gateway]\nvpc_config = { subnet_ids = [] }", "gateway.vpc_config", "use the section [network]"),
        ("[gateway]\nsecurity-groups = []", "gateway.security-groups", "set security_group_ids in the section [network]"),  # noqa: E501
        ("[gateway]\nprivate_api = true", "gateway.private_api", "set private in the section [network]"),
        ('[gateway]\nendpoint_type = "PRIVATE"', "gateway.endpoint_type", "set private in the section [network]"),
        ("[gateway]\nip_allowlist = []", "gateway.ip_allowlist", "set allowed_ips in the section [network]"),
        ("[aws]\nvpc_id = 1", "aws.vpc_id", "set subnet_ids in the section [network]"),
        ("[ip_whitelist]", "ip_whitelist", "use the section [network]"),
        ("[network]\nallowed_cidrs = []", "network.allowed_cidrs", 'did you mean "allowed_ips"?'),
        ("[network]\nvpc_config = {}", "network.vpc_config", "use the section [network]"),
    ],
)  # fmt: skip
def test_other_names_lead_to_the_setting(tmp_path: Path, line: str, key_path: str, fix: str) -> None:
    text = GOOD.replace("[aws]\n", f"{line}\n", 1) if line.startswith("[aws]") else f"{GOOD}{line}\n"
    assert errors_of(tmp_path, text)[key_path].fix == fix


def test_other_names_stand_for_existing_settings() -> None:
    assert {setting.partition(".")[2] for setting in OTHER_NAMES.values()} == set(NetworkSettings.model_fields)


# --- what the gateway needs in its VPC

NEEDS = """
[providers.anthropic]
kind = "anthropic"
[providers.here]
kind = "bedrock"
[providers.elsewhere]
kind = "bedrock"
region = "us-east-1"
[providers.own]
kind = "openai"
base_url = "http://llm.internal:8000/v1"
keyless = true
[providers.sidecar]
kind = "openai"
base_url = "http://localhost:4000/v1"
keyless = true
"""


def test_needs_are_those_of_the_environment(tmp_path: Path) -> None:
    environment = loaded(tmp_path, VPC, GOOD + NEEDS)
    assert needed_services(environment) == {
        "dynamodb": "the ledger",
        "secretsmanager": "provider keys",
        "bedrock-runtime": "Bedrock models",
    }
    assert needed_hosts(environment) == [
        "api.anthropic.com:443",
        "api.openai.com:443",
        "bedrock-runtime.us-east-1.amazonaws.com:443",
        "llm.internal:8000",
    ]
    logged = loaded(tmp_path, VPC, GOOD.replace('plan = "starter"', 'plan = "starter"\nprompt_log = true'))
    assert "logs" in needed_services(logged)


def test_notes_list_the_needs(tmp_path: Path) -> None:
    services, hosts, *_ = synth_notes(loaded(tmp_path, VPC))
    assert "VPC endpoints or a NAT gateway for dynamodb (the ledger), secretsmanager (provider keys)" in services
    assert hosts.endswith("a route, such as a NAT gateway, to api.openai.com:443")
    assert not [note for note in synth_notes(loaded(tmp_path, "")) if "subnets" in note]


def test_estimate_names_what_it_leaves_out(tmp_path: Path) -> None:
    for section in (VPC, PRIVATE):
        assert "not included: your VPC's interface endpoints" in cost_estimate.text(loaded(tmp_path, section))
    assert "VPC" not in cost_estimate.text(loaded(tmp_path, ""))


def test_private_api_on_the_embedded_cloud_is_a_warning(tmp_path: Path) -> None:
    text = GOOD.replace('region = "eu-west-1"', 'region = "eu-west-1"\nendpoint = "http://localhost:4566"')
    (warning,) = synth_warnings(loaded(tmp_path, PRIVATE, text))
    assert "no VPC endpoints" in warning
