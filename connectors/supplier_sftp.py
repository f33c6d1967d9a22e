"""Files on a supplier's SFTP server. The server is known by its pinned host key, never by trust on first use."""

import base64
import binascii
import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Self

import paramiko
from paramiko.pkey import UnknownKeyType
from paramiko.ssh_exception import IncompatiblePeer
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from connectors.errors import ContractError, CredentialsError, NoAnswerError, ScopeError, UnavailableError
from connectors.feed_sources import FileEntry, free_name

_TIMEOUT_SECONDS = 30.0
_KEY_KINDS: tuple[type[paramiko.PKey], ...] = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


class SftpSettings(BaseModel):
    """An account on an SFTP server. `host_key` is the server's public key as in known_hosts: its type and its text.

    Either `password` or `private_key` (the text of an OpenSSH key, with its `passphrase` if it has one).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(min_length=1)
    port: int = Field(default=22, gt=0, lt=65536)
    user: str = Field(min_length=1)
    host_key: str
    password: SecretStr | None = None
    private_key: SecretStr | None = None
    passphrase: SecretStr | None = None

    @field_validator("host_key")
    @classmethod
    def _host_key_is_a_key(cls, line: str) -> str:
        try:
            parsed_host_key(line)
        except ValueError as error:
            raise ValueError(
                "the pinned host key is not a public key: write its type and its text, as `ssh-keyscan` shows them "
                "after the server's name, for example 'ssh-ed25519 AAAA…'; compare it with the supplier first"
            ) from error
        return line

    @model_validator(mode="after")
    def _can_sign_in(self) -> Self:
        if (self.password is None) == (self.private_key is None):
            raise ValueError("an SFTP account needs either a password or a private key")
        return self


def parsed_host_key(line: str) -> paramiko.PKey:
    """Reads "type base64".

    Raises:
        ValueError: not a public key.
    """
    kind, _, text = line.strip().partition(" ")
    try:
        return paramiko.PKey.from_type_string(kind, base64.b64decode(text.split(" ")[0], validate=True))
    except (paramiko.SSHException, UnknownKeyType, binascii.Error, IndexError, EOFError) as error:
        raise ValueError("not a public key") from error


class SftpFiles:
    """Folders of an SFTP server; signs in when first used."""

    def __init__(self, settings: SftpSettings) -> None:
        self._settings = settings
        self._client: paramiko.SSHClient | None = None
        self._session: paramiko.SFTPClient | None = None

    def close(self) -> None:
        """Ends the session."""
        if self._client is not None:
            self._client.close()
        self._client = self._session = None

    def entries(self, folder: str) -> list[FileEntry]:
        with self._session_at(folder) as session:
            return [
                FileEntry(facts.filename, facts.st_size or 0, datetime.fromtimestamp(facts.st_mtime or 0, UTC))
                for facts in session.listdir_attr(folder)
                if stat.S_ISREG(facts.st_mode or 0)
            ]

    def read(self, folder: str, name: str) -> bytes:
        with self._session_at(folder) as session, session.open(_path(folder, name), "rb") as file:
            file.prefetch()
            return file.read()

    def put(self, folder: str, name: str, body: bytes) -> None:
        final, temporary = _path(folder, name), _path(folder, f".{name}.part")
        with self._session_at(folder) as session:
            if _is_there(session, final):
                return
            session.putfo(io.BytesIO(body), temporary, confirm=True)
            try:
                session.rename(temporary, final)  # refuses to overwrite, unlike posix_rename
            except OSError:
                if not _is_there(session, final):
                    raise
                session.remove(temporary)

    def move(self, folder: str, name: str, to_folder: str) -> None:
        with self._session_at(folder) as session:
            if not _is_there(session, to_folder):
                session.mkdir(to_folder)
            taken = set(session.listdir(to_folder))
            with suppress(FileNotFoundError):
                session.rename(_path(folder, name), _path(to_folder, free_name(name, taken)))

    @contextmanager
    def _session_at(self, folder: str) -> Iterator[paramiko.SFTPClient]:
        session = self._session or self._signed_in()
        where = f"folder {folder!r} on {self._settings.host}"
        try:
            yield session
        except FileNotFoundError as error:
            raise ContractError(f"{where} or the file in it is not there") from error
        except PermissionError as error:
            raise ScopeError(f"{where} may not be used by this account") from error
        except (OSError, EOFError, paramiko.SSHException) as error:
            self.close()
            raise NoAnswerError(f"{where} gave no answer: {type(error).__name__}") from error

    def _signed_in(self) -> paramiko.SFTPClient:
        settings = self._settings
        client = paramiko.SSHClient()
        key = parsed_host_key(settings.host_key)
        known_as = settings.host if settings.port == paramiko.config.SSH_PORT else f"[{settings.host}]:{settings.port}"
        client.get_host_keys().add(known_as, key.get_name(), key)
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        try:
            client.connect(
                settings.host,
                settings.port,
                settings.user,
                password=_secret(settings.password),
                pkey=self._private_key(),
                timeout=_TIMEOUT_SECONDS,
                banner_timeout=_TIMEOUT_SECONDS,
                auth_timeout=_TIMEOUT_SECONDS,
                allow_agent=False,
                look_for_keys=False,
            )
            session = client.open_sftp()
            session.get_channel().settimeout(_TIMEOUT_SECONDS)  # type: ignore[union-attr]  # open: it has a channel
        except paramiko.BadHostKeyException as error:
            client.close()
            raise CredentialsError(
                f"{settings.host} shows another host key than the pinned one: ask the supplier before changing it"
            ) from error
        except IncompatiblePeer as error:
            client.close()
            raise ContractError(f"{settings.host} speaks no form of SSH that is still safe: {error}") from error
        except paramiko.AuthenticationException as error:
            client.close()
            raise CredentialsError(f"{settings.host} refused the sign-in of its SFTP account") from error
        except (OSError, EOFError, paramiko.SSHException) as error:
            client.close()
            raise UnavailableError(f"{settings.host} cannot be reached over SFTP: {type(error).__name__}") from error
        self._client, self._session = client, session
        return session

    def _private_key(self) -> paramiko.PKey | None:
        text = _secret(self._settings.private_key)
        if text is None:
            return None
        for kind in _KEY_KINDS:
            with suppress(paramiko.SSHException, ValueError):
                return kind.from_private_key(io.StringIO(text), _secret(self._settings.passphrase))
        raise CredentialsError(f"the private key for {self._settings.host} cannot be read, or its passphrase is wrong")


def _secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()


def _path(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


def _is_there(session: paramiko.SFTPClient, path: str) -> bool:
    try:
        session.stat(path)
    except FileNotFoundError:
        return False
    return True
