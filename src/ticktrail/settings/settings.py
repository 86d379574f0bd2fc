"""Settings: one frozen value, built once from arguments, environment and ``.env``.

A malformed setting is refused at once, with its name, its origin and a good example. A missing one is refused where it
is needed: :meth:`Settings.require_n8n`. No secret shows in a ``repr`` or a message.
"""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from ticktrail.errors import ConfigurationError
from ticktrail.settings.n8n_url import DEFAULT_API_PREFIX
from ticktrail.settings.secret import Secret

__all__ = [
    "SETTINGS",
    "DashboardSettings",
    "MongodbSettings",
    "N8nSettings",
    "ReceiverSettings",
    "Secret",
    "Setting",
    "SettingFault",
    "Settings",
]


class N8nSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Address and credentials of n8n. URLs end without a slash; an empty ``base_url`` means that none is set.

    Attributes:
        editor_url: start of links to executions.
        headers: extra headers for a proxy in front of n8n, name and value.
        ca_file: PEM certificates to trust besides those of the system.
        prefix: path of the public API below ``base_url``.
        database_url: n8n's own database, read instead of its API; ``database_schema`` and ``database_table_prefix``
            are n8n's ``DB_POSTGRESDB_SCHEMA`` and ``DB_TABLE_PREFIX``.
    """

    base_url: str = ""
    editor_url: str = ""
    api_key: Secret | None = None
    basic_user: str | None = None
    basic_pass: Secret | None = None
    headers: tuple[tuple[str, Secret], ...] = ()
    ca_file: Path | None = None
    prefix: str = DEFAULT_API_PREFIX
    database_url: Secret | None = None
    database_schema: str | None = None
    database_table_prefix: str = ""

    @property
    def instance_url(self) -> str:
        """Name of this n8n in the sync state: execution ids are its own. Without an address, its database's."""
        return self.base_url or str(self.database_url or "")


class MongodbSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The names used in MongoDB."""

    database: str = "n8n_whatsapp"
    status_collection: str = "message_statuses"
    sends_collection: str = "message_sends"
    conversations_collection: str | None = None


class DashboardSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Access to the dashboard, and when a sync is late.

    Attributes:
        token: access to everything.
        viewer_token: access to statistics and masked numbers.
        ready_seconds: a sync that is older is late; None to judge by the usual time between syncs.
        trusted_proxies: addresses and networks whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed.
    """

    token: Secret | None = None
    viewer_token: Secret | None = None
    ready_seconds: int | None = None
    trusted_proxies: tuple[str, ...] = ()


class ReceiverSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the receiver of Meta's webhooks.

    Attributes:
        app_secrets: of the Meta apps that send webhooks; a webhook must be signed with one of them.
        verify_token: answers Meta's subscription check; None passes the check on to n8n.
        forward_url: n8n's inner address without a path; None without an n8n behind the receiver.
        forward: ``messages`` (all but webhooks with statuses alone), ``all`` or ``none``.
        journal: file of the journal.
    """

    app_secrets: tuple[Secret, ...] = ()
    verify_token: Secret | None = None
    forward_url: str | None = None
    forward: str = "messages"
    host: str = "127.0.0.1"
    port: int = 8788
    journal: Path = Path("ticktrail-journal.sqlite")

    @property
    def keeps_statuses(self) -> bool:
        """Return True when the receiver stores statuses and does not forward them: n8n has no executions for them."""
        return bool(self.app_secrets) and self.forward != "all"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings.

    Attributes:
        store_url: shown without its password.
        config_file: the path of ``ticktrail.toml``, if there is one.
        directory: the working directory, which may hold ``.env``.
        warnings: likely mistakes in ``.env``, one sentence each.
    """

    n8n: N8nSettings
    workflow_ids: tuple[str, ...]
    mongodb: MongodbSettings
    store_url: Secret
    timezone: ZoneInfo
    instance: str | None
    heartbeat_url: Secret | None
    config_file: Path | None
    directory: Path
    dashboard: DashboardSettings = DashboardSettings()
    receiver: ReceiverSettings = ReceiverSettings()
    warnings: tuple[str, ...] = ()

    @property
    def has_n8n(self) -> bool:
        """Return True when an n8n is configured: its address or its database."""
        return bool(self.n8n.base_url or self.n8n.database_url)

    @property
    def receives_alone(self) -> bool:
        """Return True when webhooks are received directly and no n8n is configured: there is nothing to sync."""
        return bool(self.receiver.app_secrets) and not self.has_n8n

    def require_n8n(self, *, workflow: bool = True) -> N8nSettings:
        """Return the n8n settings with an address, credentials and, unless waived, a workflow.

        Raises:
            ConfigurationError: settings are missing; the message names them all.
        """
        missing = [] if self.has_n8n else ["N8N_BASE_URL"]
        if not (self.n8n.api_key or self.n8n.basic_user or self.n8n.headers or self.n8n.database_url):
            missing.append("N8N_API_KEY")
        if workflow and not self.workflow_ids:
            missing.append("WORKFLOW_ID_WHATSAPP")
        if missing:
            names = " and ".join(filter(None, [", ".join(missing[:-1]), missing[-1]]))
            raise ConfigurationError(
                f"{names} {'is' if len(missing) == 1 else 'are'} not set, "
                f"neither in the environment nor in {self.directory / '.env'}.",
                remedy="Type: ticktrail init",
            )
        return self.n8n


class SettingFault(msgspec.Struct, frozen=True):
    """A setting that cannot be used; ``name`` is ``.env`` when that file cannot be read."""

    name: str
    error: ConfigurationError


class Setting(msgspec.Struct, frozen=True):
    """One setting: its name, an example of a good value, and its command-line option, if it has one."""

    name: str
    example: str
    secret: bool = False
    option: str | None = None


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("N8N_BASE_URL", "https://n8n.example.com"),
        Setting("N8N_EDITOR_URL", "https://n8n.example.com"),
        Setting("N8N_API_KEY", "the key that n8n showed when you created it under Settings → n8n API", secret=True),
        Setting("N8N_BASIC_USER", "the user name for the proxy in front of n8n", secret=True),
        Setting("N8N_BASIC_PASS", "the password for the proxy in front of n8n", secret=True),
        Setting("N8N_HEADERS", "X-Access-Token: abc; X-Other: def", secret=True),
        Setting("N8N_CA_FILE", "/etc/ssl/company-ca.pem"),
        Setting("N8N_API_PREFIX", DEFAULT_API_PREFIX),
        Setting(
            "N8N_DATABASE_URL",
            "postgresql://reader:password@host/n8n, or a file: /home/node/.n8n/database.sqlite",
            secret=True,
        ),
        Setting("N8N_DATABASE_SCHEMA", "public"),
        Setting("N8N_DATABASE_TABLE_PREFIX", "n8n_"),
        Setting("WORKFLOW_ID_WHATSAPP", "bcHn4wXXcVuTsjYB, or several with commas"),
        Setting("MONGODB_URI", "mongodb://user:password@host:27017/n8n_whatsapp", secret=True),
        Setting("MONGODB_DATABASE", "n8n_whatsapp"),
        Setting("MONGODB_STATUS_COLLECTION", "message_statuses"),
        Setting("MONGODB_SENDS_COLLECTION", "message_sends"),
        Setting("MONGODB_CONVERSATIONS_COLLECTION", "conversations"),
        Setting(
            "TICKTRAIL_STORE",
            "mongodb://…, or a file: /var/lib/ticktrail/ticktrail.sqlite",
            secret=True,
            option="--store",
        ),
        Setting("TICKTRAIL_TIMEZONE", "Asia/Riyadh, Europe/Berlin, America/Sao_Paulo or UTC"),
        Setting("GENERIC_TIMEZONE", "Asia/Riyadh, Europe/Berlin, America/Sao_Paulo or UTC"),
        Setting("TICKTRAIL_INSTANCE", "shop-riyadh"),
        Setting("TICKTRAIL_HEARTBEAT_URL", "https://hc-ping.com/your-check", secret=True),
        Setting("TICKTRAIL_DASHBOARD_TOKEN", "the output of openssl rand -hex 24", secret=True),
        Setting("TICKTRAIL_DASHBOARD_VIEWER_TOKEN", "another output of openssl rand -hex 24", secret=True),
        Setting("TICKTRAIL_READY_SECONDS", "900"),
        Setting("TICKTRAIL_TRUSTED_PROXIES", "127.0.0.1, or several addresses or networks with commas"),
        Setting("WHATSAPP_APP_SECRET", "the app secret of the Meta app, or several with commas", secret=True),
        Setting("WHATSAPP_VERIFY_TOKEN", "the verify token that you typed in the Meta app", secret=True),
        Setting("TICKTRAIL_FORWARD_URL", "http://127.0.0.1:5678"),
        Setting("TICKTRAIL_FORWARD", "messages"),
        Setting("TICKTRAIL_RECEIVE_HOST", "127.0.0.1", option="--host"),
        Setting("TICKTRAIL_RECEIVE_PORT", "8788", option="--port"),
        Setting("TICKTRAIL_JOURNAL", "/var/lib/ticktrail/journal.sqlite"),
        Setting("TICKTRAIL_CONFIG", "/etc/ticktrail/ticktrail.toml"),
    )
}
"""All settings by name."""

DEFAULT_TIMEZONE = "Asia/Riyadh"
