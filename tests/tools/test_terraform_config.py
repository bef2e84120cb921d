"""Terraform finds the AWS provider in a mirror, through the user's configuration, or in the registry."""

from pathlib import Path

import pytest

from tools import terraform

PROVIDER = "registry.terraform.io/hashicorp/aws"


@pytest.fixture(autouse=True)
def empty_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty home directory, and no other folder to find a mirror in."""
    home = tmp_path / "home"
    home.mkdir()
    for variable in (*terraform.MIRROR_VARIABLES, terraform.CONFIG_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(terraform, "MIRROR_FOLDERS", (Path("~/.terraform.d/plugins"),))
    monkeypatch.setattr(terraform, "MIRROR_PARENTS", (Path("~"),))
    return home


def mirror_at(folder: Path) -> Path:
    (folder / PROVIDER / "5.100.0").mkdir(parents=True)
    return folder


def test_a_named_mirror_is_written_into_a_config_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mirror = mirror_at(tmp_path / "mirror")
    monkeypatch.setenv("TF_PLUGIN_MIRROR", str(mirror))
    config = Path(terraform.cli_environment(tmp_path / "build")["TF_CLI_CONFIG_FILE"])
    assert config == tmp_path / "build" / "terraform.tfrc"
    assert f'path    = "{mirror}"' in config.read_text()
    assert f'exclude = ["{PROVIDER}"]' in config.read_text()


def test_a_named_mirror_without_the_provider_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TERRAFORM_PROVIDER_MIRROR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=f"TERRAFORM_PROVIDER_MIRROR={tmp_path} does not contain"):
        terraform.cli_environment(tmp_path / "build")


def test_a_mirror_one_level_down_is_found(empty_machine: Path, tmp_path: Path) -> None:
    mirror = mirror_at(empty_machine / "somewhere")
    config = Path(terraform.cli_environment(tmp_path / "build")["TF_CLI_CONFIG_FILE"])
    assert str(mirror) in config.read_text()


def test_the_users_config_is_unchanged(empty_machine: Path, tmp_path: Path) -> None:
    mirror_at(empty_machine / "somewhere")
    (empty_machine / ".terraformrc").write_text("# mine\n")
    assert "TF_CLI_CONFIG_FILE" not in terraform.cli_environment(tmp_path / "build")


def test_a_missing_config_file_is_unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(tmp_path / "missing"))
    assert terraform.cli_environment(tmp_path / "build")["TF_CLI_CONFIG_FILE"] == ""


def test_without_a_mirror_terraform_uses_the_registry(tmp_path: Path) -> None:
    assert terraform.cli_environment(tmp_path / "build") == {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    assert not (tmp_path / "build").exists()
