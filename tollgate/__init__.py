"""The public API for CDKTF programs (docs/library.md). Other modules may change in every release."""

from constructs_lib.access import Access as Access
from constructs_lib.aggregation import Aggregation as Aggregation
from constructs_lib.alarms import Alarms as Alarms
from constructs_lib.aws import App as App
from constructs_lib.aws import resources_of as resources_of
from constructs_lib.chat import ChatChannels as ChatChannels
from constructs_lib.dashboard import Dashboard as Dashboard
from constructs_lib.function import Function as Function
from constructs_lib.ledger import LedgerTable as LedgerTable
from constructs_lib.logs import LogGroup as LogGroup
from constructs_lib.notifications import Notifications as Notifications
from constructs_lib.plans import Plans as Plans
from constructs_lib.program import read_environments as read_environments
from constructs_lib.prompt_log import PromptLog as PromptLog
from constructs_lib.queries import SavedQueries as SavedQueries
from constructs_lib.rejections import ApiGatewayRejections as ApiGatewayRejections
from constructs_lib.rest_api import RestApi as RestApi
from constructs_lib.schedule import Schedule as Schedule
from constructs_lib.secrets import ProviderSecrets as ProviderSecrets
from constructs_lib.settings import Environment as Environment
from constructs_lib.settings import EnvironmentErrors as EnvironmentErrors
from constructs_lib.settings import load as load
from constructs_lib.stack import TollgateStack as TollgateStack
from constructs_lib.stage import Stage as Stage
