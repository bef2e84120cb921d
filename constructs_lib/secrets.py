"""Secrets for provider keys. Terraform creates them empty, so that its state never has a value."""

from __future__ import annotations

from collections.abc import Sequence

from constructs_lib.aws import Construct, SecretsmanagerSecret, addressed
from constructs_lib.permissions import Statement, allow
from constructs_lib.settings import Environment
from constructs_lib.settings.runtime import provider_secret


class ProviderSecrets(Construct):
    """One secret per provider that takes a key. If the environment file names an ARN, that secret is used.

    arns: by provider. secrets: those that Terraform creates, by provider.
    """

    def __init__(self, scope: Construct, *, environment: Environment) -> None:
        super().__init__(scope, "secrets")
        self._aws = environment.aws
        self.arns: dict[str, str] = {}
        self.secrets: dict[str, SecretsmanagerSecret] = {}
        for provider in environment.providers:
            secret = provider_secret(environment, provider)
            if secret is not None:
                existing = secret.startswith("arn:")
                self.arns[provider] = secret if existing else self._create(provider, secret, environment)

    def _create(self, provider: str, name: str, environment: Environment) -> str:
        secret = SecretsmanagerSecret(
            self,
            provider,
            name=name,
            description=f"API key of the provider {provider} for Tollgate {environment.name}",
            kms_key_id=environment.gateway.kms_key_arn,
            # An accidental destroy can be undone for a week; during that time the name is taken.
            recovery_window_in_days=7 if environment.gateway.deletion_protection else 0,
        )
        self.secrets[provider] = addressed(provider, secret)
        return secret.arn

    def read(self) -> Sequence[Statement]:
        """Permission to read these secrets and no other."""
        arns = list(self.arns.values())
        if not arns:
            return []
        return [allow("ReadProviderKeys", ["secretsmanager:GetSecretValue"], arns), *self._decrypt()]

    def _decrypt(self) -> Sequence[Statement]:
        """Permission to decrypt existing secrets through Secrets Manager. The environment file does not name their KMS
        keys. The AWS managed key needs no such permission, but does not work across accounts
        (docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html)."""
        others = [arn for arn in self.arns.values() if arn.startswith("arn:")]
        if not others:
            return []
        keys = sorted({f"arn:{self._aws.partition}:kms:{_region_and_account(arn)}:key/*" for arn in others})
        condition = {
            "kms:ViaService": f"secretsmanager.{self._aws.region}.{self._aws.domain}",
            "kms:EncryptionContext:SecretARN": others,
        }
        return [allow("DecryptProviderKeys", ["kms:Decrypt"], keys) | {"Condition": {"StringEquals": condition}}]


def _region_and_account(arn: str) -> str:
    return ":".join(arn.split(":")[3:5])
