"""Load the settings of one run from arguments, environment and ``.env``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec

from ticktrail.errors import ConfigurationError
from ticktrail.settings import parsing as values
from ticktrail.settings.environment import Lookup, SettingText
from ticktrail.settings.n8n_url import DEFAULT_API_PREFIX, Address, parse_address, parse_workflow_ids
from ticktrail.settings.secret import Secret
from ticktrail.settings.settings import (
    DEFAULT_TIMEZONE,
    SETTINGS,
    DashboardSettings,
    MongodbSettings,
    N8nSettings,
    ReceiverSettings,
    Setting,
    SettingFault,
    Settings,
)

T = TypeVar("T")


def load_settings(arguments: Mapping[str, str | None], environ: Mapping[str, str], directory: Path) -> Settings:
    """Build the settings of one run.

    Args:
        arguments: values from the command line, by the names of settings (``{"TICKTRAIL_STORE": store}``).
        environ: the environment.
        directory: the working directory, which may hold ``.env`` and ``ticktrail.toml``.

    Raises:
        ConfigurationError: a setting is malformed.
    """
    if unknown := arguments.keys() - SETTINGS.keys():
        raise ValueError(f"no such setting: {', '.join(sorted(unknown))}")
    options = {name: setting.option or name for name, setting in SETTINGS.items()}
    return _Loader(Lookup(arguments, environ, directory, options)).settings()


def load_valid_settings(
    arguments: Mapping[str, str | None], environ: Mapping[str, str], directory: Path
) -> tuple[Settings, tuple[SettingFault, ...]]:
    """Like :func:`load_settings`, but a setting that cannot be used counts as not set and is returned as a fault."""
    options = {name: setting.option or name for name, setting in SETTINGS.items()}
    faults: list[SettingFault] = []
    try:
        lookup = Lookup(arguments, environ, directory, options)
    except ConfigurationError as error:
        faults.append(SettingFault(".env", error))
        lookup = Lookup(arguments, environ, directory, options, dotenv=False)
    return _Loader(lookup, faults).settings(), tuple(faults)


class _Loader:
    """Read every setting once, each with its parser.

    Settings that cannot be used are added to ``faults``; without such a list the error is raised.
    """

    def __init__(self, lookup: Lookup, faults: list[SettingFault] | None = None) -> None:
        self._lookup = lookup
        self._directory = lookup.directory
        self._faults = faults

    def settings(self) -> Settings:
        self._lookup.warn_about_typos(SETTINGS.keys() | {f"{n}_FILE" for n, s in SETTINGS.items() if s.secret})
        mongodb_uri = self._read("MONGODB_URI", values.parse_mongodb_uri)
        store_url = self._read("TICKTRAIL_STORE", values.parse_store_url) or mongodb_uri
        store = store_url or values.default_store_url()
        settings = Settings(
            n8n=self._n8n(),
            workflow_ids=self._read("WORKFLOW_ID_WHATSAPP", parse_workflow_ids) or (),
            mongodb=self._mongodb(store_url),
            store_url=store,
            timezone=(
                self._read("TICKTRAIL_TIMEZONE", values.parse_timezone)
                or self._read("GENERIC_TIMEZONE", values.parse_timezone)
                or ZoneInfo(DEFAULT_TIMEZONE)
            ),
            instance=self._read("TICKTRAIL_INSTANCE", values.parse_label),
            heartbeat_url=self._read("TICKTRAIL_HEARTBEAT_URL", values.parse_heartbeat_url),
            config_file=self._config_file(),
            directory=self._directory,
            receiver=self._receiver(store),
            dashboard=DashboardSettings(
                token=self._read("TICKTRAIL_DASHBOARD_TOKEN", values.parse_token),
                viewer_token=self._read("TICKTRAIL_DASHBOARD_VIEWER_TOKEN", values.parse_token),
                ready_seconds=self._read("TICKTRAIL_READY_SECONDS", values.parse_seconds),
                trusted_proxies=self._read("TICKTRAIL_TRUSTED_PROXIES", values.parse_networks) or (),
            ),
        )
        return msgspec.structs.replace(settings, warnings=tuple(self._lookup.warnings))

    def _n8n(self) -> N8nSettings:
        prefix = self._read("N8N_API_PREFIX", values.parse_api_prefix) or DEFAULT_API_PREFIX

        def address_of(text: str) -> Address:
            return parse_address(text, prefix)

        base = self._read("N8N_BASE_URL", address_of) or Address("")
        editor = self._read("N8N_EDITOR_URL", address_of) or base
        user = self._read("N8N_BASIC_USER", str.strip)
        password = self._read("N8N_BASIC_PASS", Secret)
        if (user is None) != (password is None):
            names = ("N8N_BASIC_PASS", "N8N_BASIC_USER")
            missing, other = names if password is None else names[::-1]
            self._refuse(
                missing,
                ConfigurationError(
                    f"{other} is set without {missing}.",
                    remedy=f"{missing} should be {SETTINGS[missing].example}.",
                ),
            )
        if user is None and base.user:
            user, password = base.user, Secret(base.password or "")
        return N8nSettings(
            base_url=base.url,
            editor_url=editor.url,
            api_key=self._read("N8N_API_KEY", values.parse_api_key),
            basic_user=user,
            basic_pass=password,
            headers=self._read("N8N_HEADERS", values.parse_headers) or (),
            ca_file=self._read("N8N_CA_FILE", self._existing_file),
            prefix=prefix,
            database_url=self._read("N8N_DATABASE_URL", values.parse_n8n_database_url),
            database_schema=self._read("N8N_DATABASE_SCHEMA", values.parse_identifier),
            database_table_prefix=self._read("N8N_DATABASE_TABLE_PREFIX", values.parse_identifier) or "",
        )

    def _receiver(self, store_url: Secret) -> ReceiverSettings:
        defaults = ReceiverSettings()
        journal = self._read("TICKTRAIL_JOURNAL", lambda text: self._directory / Path(text.strip()).expanduser())
        return ReceiverSettings(
            app_secrets=self._read("WHATSAPP_APP_SECRET", values.parse_app_secrets) or (),
            verify_token=self._read("WHATSAPP_VERIFY_TOKEN", values.parse_verify_token),
            forward_url=self._read("TICKTRAIL_FORWARD_URL", values.parse_forward_url),
            forward=self._read("TICKTRAIL_FORWARD", values.parse_forward) or defaults.forward,
            host=self._read("TICKTRAIL_RECEIVE_HOST", str.strip) or defaults.host,
            port=self._read("TICKTRAIL_RECEIVE_PORT", values.parse_port) or defaults.port,
            journal=journal or values.default_journal(store_url.reveal(), self._directory),
        )

    def _mongodb(self, store_url: Secret | None) -> MongodbSettings:
        named = values.database_in(store_url.reveal()) if store_url else None
        defaults = MongodbSettings()
        found = MongodbSettings(
            database=self._read("MONGODB_DATABASE", values.parse_database) or named or defaults.database,
            status_collection=self._collection("MONGODB_STATUS_COLLECTION") or defaults.status_collection,
            sends_collection=self._collection("MONGODB_SENDS_COLLECTION") or defaults.sends_collection,
            conversations_collection=self._collection("MONGODB_CONVERSATIONS_COLLECTION"),
        )
        names = [found.status_collection, found.sends_collection, found.conversations_collection]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            self._refuse(
                "MONGODB_STATUS_COLLECTION",
                ConfigurationError(
                    f"Two of the MONGODB_…_COLLECTION settings name the same collection, {twice}.",
                    remedy="Statuses, sends and conversations each need a collection of their own.",
                ),
            )
        return found

    def _collection(self, name: str) -> str | None:
        return self._read(name, values.parse_collection)

    def _config_file(self) -> Path | None:
        named = self._read("TICKTRAIL_CONFIG", self._existing_file)
        usual = self._directory / "ticktrail.toml"
        return named or (usual if usual.is_file() else None)

    def _existing_file(self, text: str) -> Path:
        return values.parse_existing_file(text, self._directory)

    def _read(self, name: str, parse: Callable[[str], T]) -> T | None:
        """Return the value of a setting, or None when it is not set."""
        setting = SETTINGS[name]
        try:
            found = self._lookup.find(name, secret=setting.secret)
            return None if found is None else _parsed(found, setting, parse)
        except ConfigurationError as error:
            self._refuse(name, error)
            return None

    def _refuse(self, name: str, error: ConfigurationError) -> None:
        if self._faults is None:
            raise error
        self._faults.append(SettingFault(name, error))


def _parsed(found: SettingText, setting: Setting, parse: Callable[[str], T]) -> T:
    try:
        return parse(found.text)
    except ValueError as error:
        raise ConfigurationError(
            f"{found.name} cannot be used: {error}. It came from {found.origin}{_quoted(found, setting)}.",
            remedy=f"It should look like this: {setting.example}",
        ) from None


def _quoted(found: SettingText, setting: Setting) -> str:
    """Return the value for a message; nothing for a secret, or a text that looks like a password or a key."""
    text = found.text.strip()
    if setting.secret or "@" in text or len(text) > 60 or re.match(r"[\W_]*(?:n8n_api_|eyJ)", text):
        return ""
    return f", which says {text!r}"
