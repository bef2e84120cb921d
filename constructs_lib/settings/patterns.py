"""Patterns of text in an environment file, and how error messages and the reference describe them."""

from __future__ import annotations

from typing import Final

from lambda_src.resource_names import NAME_PATTERN

_PARTITION: Final = "(aws|aws-us-gov|aws-cn)"
_REGION_NAME: Final = "[a-z]{2}(-[a-z]+)+-[0-9]"
_LABEL: Final = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_LOWER_LABEL: Final = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = rf"({_LABEL}(\.{_LABEL})*|\[[0-9A-Fa-f:.]{{2,45}}\])(:[0-9]{{1,5}})?"
_URL_PATH: Final = "(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?"

NAME: Final = NAME_PATTERN
TERRAFORM_NAME: Final = r"^[a-z][a-z0-9-]{0,30}$"
MODEL_NAME: Final = r"^[A-Za-z0-9@][A-Za-z0-9._:/@+-]{0,127}$"
REGION: Final = rf"^{_REGION_NAME}$"
URL: Final = rf"^https?://{_HOST}{_URL_PATH}$"
HTTPS_URL: Final = rf"^https://{_HOST}{_URL_PATH}$"
EMAIL: Final = rf"^[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(\.{_LABEL})+$"
SECRET_ID: Final = (
    rf"^(arn:{_PARTITION}:secretsmanager:{_REGION_NAME}:[0-9]{{12}}:secret:[A-Za-z0-9/_+=.@-]{{1,519}}"
    r"|[A-Za-z0-9/_+=.@-]{1,512})$"
)
API_PATH: Final = r"^(/[A-Za-z0-9-]+|/\{[A-Za-z0-9]+\})*(/[A-Za-z0-9-]+|/\{[A-Za-z0-9]+\+?\})$"
ORIGIN: Final = rf"^(\*|https?://{_HOST})$"
HANDLER: Final = r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)+$"
KMS_KEY_ARN: Final = rf"^arn:{_PARTITION}:kms:{_REGION_NAME}:[0-9]{{12}}:key/[A-Za-z0-9-]+$"
WEB_ACL_ARN: Final = (
    rf"^arn:{_PARTITION}:wafv2:{_REGION_NAME}:[0-9]{{12}}:regional/webacl/[A-Za-z0-9_-]{{1,128}}/[A-Za-z0-9-]{{1,36}}$"
)
HOST_NAME: Final = rf"^({_LOWER_LABEL}\.)+[a-z]([a-z0-9-]{{0,61}}[a-z0-9])?$"
CERTIFICATE_ARN: Final = rf"^arn:{_PARTITION}:acm:{_REGION_NAME}:[0-9]{{12}}:certificate/[A-Za-z0-9-]{{1,64}}$"
BASE_PATH: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
HOSTED_ZONE_ID: Final = r"^Z[A-Z0-9]{1,31}$"
SUBNET_ID: Final = "^subnet-([0-9a-f]{8}|[0-9a-f]{17})$"
SECURITY_GROUP_ID: Final = "^sg-([0-9a-f]{8}|[0-9a-f]{17})$"
VPC_ENDPOINT_ID: Final = "^vpce-([0-9a-f]{8}|[0-9a-f]{17})$"
BUCKET: Final = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
OBJECT_KEY: Final = r"^[A-Za-z0-9!_.*'()=+@,:-]+(/[A-Za-z0-9!_.*'()=+@,:-]+)*$"
STAGE: Final = r"^[a-zA-Z0-9_]{1,32}$"
VARIABLE: Final = r"^[A-Za-z][A-Za-z0-9_]*$"
SLACK_WORKSPACE: Final = r"^[0-9A-Z]{1,255}$"
SLACK_CHANNEL: Final = r"^[A-Za-z0-9]{1,256}$"
UUID: Final = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
TEAMS_CHANNEL: Final = r"^19(:|%3A)[A-Za-z0-9_-]+(@|%40)thread\.(tacv2|skype)$"

PATTERN_WORDS: Final = {
    NAME: "1 to 31 lower-case letters, digits and hyphens, not starting with a hyphen",
    TERRAFORM_NAME: "1 to 31 lower-case letters, digits and hyphens, starting with a letter",
    MODEL_NAME: "1 to 128 letters, digits and . _ : / @ + -, starting with a letter, a digit or @",
    REGION: "an AWS region such as eu-west-1",
    URL: "a URL such as https://api.example.com/v1, without user, query or fragment",
    HTTPS_URL: "an https URL without user, query or fragment",
    EMAIL: "an e-mail address",
    SECRET_ID: "the name or ARN of a Secrets Manager secret, never its value",
    API_PATH: "a path such as /example, /example/{id} or /example/{proxy+} of letters, digits and hyphens",
    ORIGIN: "one origin such as https://app.example.com, or *",
    HANDLER: "FILE.FUNCTION, such as app.handler",
    KMS_KEY_ARN: "the ARN of a KMS key, arn:aws:kms:REGION:ACCOUNT:key/ID, not of an alias",
    WEB_ACL_ARN: "the ARN of a regional web ACL, arn:aws:wafv2:REGION:ACCOUNT:regional/webacl/NAME/ID",
    HOST_NAME: "a host name in lower case such as ai.example.com, without https://, path, port or wildcard",
    CERTIFICATE_ARN: "the ARN of an ACM certificate, arn:aws:acm:REGION:ACCOUNT:certificate/ID",
    BASE_PATH: "one path part of letters, digits and . _ -, without slashes, starting with a letter or digit",
    HOSTED_ZONE_ID: "the id of a hosted zone such as Z0123456789ABCDEFGHIJ, without /hostedzone/",
    SUBNET_ID: "a subnet's id such as subnet-0123456789abcdef0",
    SECURITY_GROUP_ID: "a security group's id such as sg-0123456789abcdef0",
    VPC_ENDPOINT_ID: "a VPC endpoint's id such as vpce-0123456789abcdef0",
    BUCKET: "3 to 63 lower-case letters, digits, hyphens and dots",
    OBJECT_KEY: "a key of letters, digits and ! _ . * ' ( ) = + @ , : - that does not start or end with /",
    STAGE: "1 to 32 letters, digits and underscores",
    VARIABLE: "letters, digits and underscores, starting with a letter",
    SLACK_WORKSPACE: "a workspace id such as T01ABCDEFGH",
    SLACK_CHANNEL: "a channel id such as C01ABCDEFGH",
    UUID: "a UUID",
    TEAMS_CHANNEL: "a channel id such as 19:abc@thread.tacv2",
}
