"""An environment as a Terraform module, for a team's own root module."""
