"""Secrets for the providers' keys: made empty, so that no value is ever in Terraform's hands."""

from __future__ import annotations

from collections.abc import Sequence

from constructs_lib.aws import Construct, SecretsmanagerSecret, addressed
from constructs_lib.permissions import Statement, allow
from constructs_lib.settings import Environment
from constructs_lib.settings.runtime import provider_secret


class ProviderSecrets(Construct):
    """One secret per provider that takes a key; where the environment file names an ARN, that one is used."""

    def __init__(self, scope: Construct, *, environment: Environment) -> None:
        super().__init__(scope, "secrets")
        self._aws = environment.aws
        self.arns: dict[str, str] = {}
        for provider in environment.providers:
            secret = provider_secret(environment, provider)
            if secret is not None:
                self.arns[provider] = secret if secret.startswith("arn:") else self._make(provider, secret, environment)

    def _make(self, provider: str, name: str, environment: Environment) -> str:
        secret = SecretsmanagerSecret(
            self,
            provider,
            name=name,
            description=f"Key of the AI provider {provider}; Tollgate {environment.name} reads it.",
            kms_key_id=environment.gateway.kms_key_arn,
            # A destroy by mistake can be undone for a week, for which the name is taken.
            recovery_window_in_days=7 if environment.gateway.deletion_protection else 0,
        )
        return addressed(provider, secret).arn

    def read(self) -> Sequence[Statement]:
        """Permission to read these secrets, and no other."""
        arns = list(self.arns.values())
        if not arns:
            return []
        return [allow("ReadProviderKeys", ["secretsmanager:GetSecretValue"], arns), *self._decrypt()]

    def _decrypt(self) -> Sequence[Statement]:
        """What decrypts secrets that others own, with keys that nobody names here: through Secrets Manager, and those
        alone. AWS's own key asks for no such permission, but cannot be used from another account
        (docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html)."""
        others = [arn for arn in self.arns.values() if arn.startswith("arn:")]
        if not others:
            return []
        keys = sorted({f"arn:{self._aws.partition}:kms:{_place(arn)}:key/*" for arn in others})
        through = {
            "kms:ViaService": f"secretsmanager.{self._aws.region}.{self._aws.domain}",
            "kms:EncryptionContext:SecretARN": others,
        }
        return [allow("DecryptProviderKeys", ["kms:Decrypt"], keys) | {"Condition": {"StringEquals": through}}]


def _place(arn: str) -> str:
    """Region and account."""
    return ":".join(arn.split(":")[3:5])
