"""Environment files: their settings, and how they are loaded and validated."""

from constructs_lib.settings.environment import Environment as Environment
from constructs_lib.settings.loader import is_standin as is_standin
from constructs_lib.settings.loader import load as load
from constructs_lib.settings.loader import relocated as relocated
from constructs_lib.settings.runtime import runtime_config as runtime_config
from constructs_lib.settings.validation_errors import EnvironmentErrors as EnvironmentErrors
