"""Requirements on the custom domain, and what breaks without them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.synth.reading import ENVIRONMENTS, Synthesized, managed_policy, synthesize

FULL = (ENVIRONMENTS / "full.toml").read_text()


def changed(folder: Path, old: str, new: str) -> Synthesized:
    """full.toml with another text."""
    assert FULL.count(old) == 1
    (folder / "full.toml").write_text(FULL.replace(old, new))
    return synthesize(folder / "full.toml", folder / "out")


def test_domain_is_regional_like_the_api_and_requires_tls_1_2(full: Synthesized) -> None:
    """API Gateway maps a regional API to a regional domain only, whose certificate is in its region."""
    domain = full.one("aws_api_gateway_domain_name.gateway")
    types = full.one("aws_api_gateway_rest_api.gateway")["endpoint_configuration"]["types"]
    assert domain["endpoint_configuration"] == {"ip_address_type": "dualstack", "types": types}
    assert domain["security_policy"] == "TLS_1_2"
    assert domain["regional_certificate_arn"].startswith("arn:aws:acm:eu-west-3:")
    assert "certificate_arn" not in domain, "the certificate of an edge-optimized domain"


def test_urls_are_those_of_the_domain_without_the_stage(full: Synthesized, bare: Synthesized) -> None:
    outputs = full.json["output"]
    assert outputs["invoke_url"]["value"] == "https://${aws_api_gateway_base_path_mapping.gateway.domain_name}/gateway"
    assert outputs["openai_base_url"]["value"].endswith(".domain_name}/gateway/v1")
    assert outputs["domain_target"]["value"] == "${aws_api_gateway_domain_name.gateway.regional_domain_name}"
    assert outputs["domain_target_zone_id"]["value"] == "${aws_api_gateway_domain_name.gateway.regional_zone_id}"
    assert full.one("aws_api_gateway_stage.gateway")["variables"] == {"domain": "ai.full.example.com/gateway"}
    assert bare.json["output"]["invoke_url"]["value"] == "${aws_api_gateway_stage.gateway.invoke_url}"
    assert not {name for name in bare.json["output"] if name.startswith("domain")}


def test_ipv4_alone_has_no_record_for_ipv6(full: Synthesized, tmp_path: Path) -> None:
    assert set(full.all("aws_route53_record")) == {"gateway_a", "gateway_aaaa"}
    stack = changed(tmp_path, 'ip_address_type = "dualstack"', 'ip_address_type = "ipv4"')
    assert set(stack.all("aws_route53_record")) == {"gateway_a"}
    endpoint = stack.one("aws_api_gateway_domain_name.gateway")["endpoint_configuration"]
    assert endpoint["ip_address_type"] == "ipv4"


def test_domain_without_optional_settings(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(
        '[aws]\nregion = "eu-west-1"\n[domain]\nname = "ai.example.com"\n'
        'certificate_arn = "arn:aws:acm:eu-west-1:111122223333:certificate/1"\n'
    )
    stack = synthesize(tmp_path / "small.toml", tmp_path / "out")
    assert stack.json["output"]["invoke_url"]["value"].endswith(".domain_name}")
    assert "base_path" not in stack.one("aws_api_gateway_base_path_mapping.gateway")
    assert not stack.all("aws_route53_record"), "the name's DNS is elsewhere"
    assert stack.one("aws_api_gateway_rest_api.gateway")["disable_execute_api_endpoint"] is False
    variables = stack.one("aws_api_gateway_stage.gateway")["variables"]
    assert variables == {"domain": "ai.example.com", "stream": "true"}


@pytest.mark.parametrize("policy", ["viewer", "operator"])
def test_doctor_may_read_the_domain(full: Synthesized, bare: Synthesized, policy: str) -> None:
    resources = managed_policy(full, policy)["ReadApi"]["Resource"]
    assert {resource for resource in resources if "domainnames" in resource} == {
        "arn:aws:apigateway:eu-west-3::/domainnames/ai.full.example.com",
        "arn:aws:apigateway:eu-west-3::/domainnames/ai.full.example.com/basepathmappings",
    }
    assert "domainnames" not in str(managed_policy(bare, policy))


def test_own_endpoint_is_enabled_again_without_the_setting(every: list[Synthesized]) -> None:
    """The argument is always written: Terraform leaves the API as it is if the argument is removed."""
    for stack in every:
        expected = stack.environment.name == "full"
        assert stack.one("aws_api_gateway_rest_api.gateway")["disable_execute_api_endpoint"] is expected
