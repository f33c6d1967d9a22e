"""A supplier's exchange over SFTP, against a server in this process on the loopback."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import paramiko
import pytest
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED
from paramiko.sftp import SFTP_FAILURE, SFTP_OK, SFTP_PERMISSION_DENIED
from paramiko.ssh_exception import IncompatiblePeer
from pydantic import ValidationError

from connectors.errors import (
    ContractError,
    CredentialsError,
    FeedHeldError,
    NoAnswerError,
    ScopeError,
    UnavailableError,
)
from connectors.feed_sources import FileEntry
from connectors.records import SupplierConnection
from connectors.supplier_feed import SUPPLIER
from connectors.supplier_settings import SupplierFeedSettings
from connectors.supplier_sftp import SftpFiles, SftpSettings
from connectors.transport import HttpRequest, Runtime
from nervure.clock import ManualClock
from schemas.dropship import DropShipLine, DropShipOrder, SupplierReply
from schemas.stock import SupplierOffer

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
USER, PASSWORD = "nervure", "not-a-real-password"
# Made once: RSA takes long, and its size is of no concern on the loopback.
HOST_KEY = paramiko.ECDSAKey.generate()
OTHER_KEY = paramiko.ECDSAKey.generate()
CLIENT_KEY = paramiko.ECDSAKey.generate()


class _Account(paramiko.ServerInterface):
    def check_auth_password(self, username: str, password: str) -> int:
        is_right = (username, password) == (USER, PASSWORD)
        return AUTH_SUCCESSFUL if is_right else AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        is_right = username == USER and key.asbytes() == CLIENT_KEY.asbytes()
        return AUTH_SUCCESSFUL if is_right else AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "password,publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED


class _Handle(paramiko.SFTPHandle):
    def stat(self) -> paramiko.SFTPAttributes:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))  # type: ignore[attr-defined]  # set on opening


class _Folder(paramiko.SFTPServerInterface):
    """Serves one folder of the disk as the root; renaming onto a file fails, as OpenSSH's does."""

    root: Path
    log: list[str]

    def _path(self, path: str) -> Path:
        return self.root / self.canonicalize(path).lstrip("/")

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        try:
            entries = sorted(self._path(path).iterdir())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        return [paramiko.SFTPAttributes.from_stat(entry.stat(), entry.name) for entry in entries]

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat(self._path(path).stat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    lstat = stat

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
        if self._path(path).name == "forbidden.csv":
            return SFTP_PERMISSION_DENIED
        try:
            file = os.fdopen(
                os.open(self._path(path), flags, 0o644),
                "r+b" if flags & os.O_RDWR else "wb" if flags & os.O_WRONLY else "rb",
            )
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        if flags & os.O_WRONLY:
            self.log.append(f"write {path}")
        handle = _Handle(flags)
        handle.readfile = handle.writefile = file  # type: ignore[attr-defined]  # paramiko's own protocol
        return handle

    def remove(self, path: str) -> int:
        self._path(path).unlink()
        self.log.append(f"remove {path}")
        return SFTP_OK

    def rename(self, oldpath: str, newpath: str) -> int:
        if self._path(newpath).exists():
            return SFTP_FAILURE
        try:
            self._path(oldpath).rename(self._path(newpath))
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        self.log.append(f"rename {oldpath} {newpath}")
        return SFTP_OK

    def mkdir(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        self._path(path).mkdir()
        return SFTP_OK


@dataclass
class Server:
    """An SFTP server over a folder."""

    root: Path
    log: list[str] = field(default_factory=list)
    listener: socket.socket = field(default_factory=socket.socket)
    transports: list[paramiko.Transport] = field(default_factory=list)
    thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def start(self) -> None:
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        folder = type("Folder", (_Folder,), {"root": self.root, "log": self.log})
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(HOST_KEY)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, folder)
            self.transports.append(transport)
            with suppress(paramiko.SSHException, EOFError):
                transport.start_server(server=_Account())

    def drop_connections(self) -> None:
        for transport in self.transports:
            transport.close()

    def stop(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.drop_connections()
        assert self.thread is not None
        self.thread.join(timeout=10)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    for name in ("out", "in", "replies"):
        (tmp_path / name).mkdir()
    made = Server(tmp_path)
    made.start()
    yield made
    made.stop()


def account(server: Server, **changes: Any) -> SftpSettings:
    return SftpSettings.model_validate(
        {
            "host": "127.0.0.1",
            "port": server.port,
            "user": USER,
            "password": PASSWORD,
            "host_key": f"{HOST_KEY.get_name()} {HOST_KEY.get_base64()}",
            **changes,
        }
    )


def settings(server: Server, **changes: Any) -> SupplierFeedSettings:
    return SupplierFeedSettings.model_validate(
        {
            "name": "grossiste",
            "ttl_seconds": 3600,
            "sftp": account(server, **changes),
            "feed": {
                "source": "sftp",
                "path": "/out",
                "pattern": "*.csv",
                "has_done_marker": True,
                "format": "csv",
                "columns": {"supplier_sku": "sku", "units": "stock"},
            },
            "orders": {"source": "sftp", "path": "/in"},
            "replies": {
                "source": "sftp",
                "path": "/replies",
                "format": "csv",
                "columns": {"reference": "ref", "line": "line", "units": "qty"},
            },
        }
    )


def opened(of: SupplierFeedSettings) -> AbstractContextManager[SupplierConnection]:
    clock = ManualClock(START)
    return SUPPLIER.connect(of, Runtime(_no_http, clock.now, clock.sleep, lambda operation, seconds: 0.0))


def _no_http(request: HttpRequest) -> NoReturn:
    raise AssertionError(f"{request.method} {request.path} over HTTP")


def drop(folder: Path, name: str, body: bytes, at: datetime) -> None:
    path = folder / name
    path.write_bytes(body)
    os.utime(path, (at.timestamp(), at.timestamp()))


ORDER = DropShipOrder(
    reference="SO-1",
    placed_at=START,
    recipient={"city": "Évry"},
    lines=(DropShipLine(line="1", supplier_sku="A", units=2),),
)


def offers_in(connection: SupplierConnection) -> list[SupplierOffer]:
    return [
        fact
        for page in connection.pull_offers()
        for document in page.documents
        for fact in SUPPLIER.read(document, None, None).offers
        if isinstance(fact, SupplierOffer)
    ]


def test_the_newest_complete_feed_comes_over_sftp(server: Server) -> None:
    out = server.root / "out"
    body = b"sku;stock\n" + b"".join(b"S%d;%d\n" % (number, number) for number in range(20_000))
    drop(out, "old.csv", b"sku;stock\nOLD;1\n", START - 3 * HOUR)
    drop(out, "old.csv.done", b"", START - 3 * HOUR)
    drop(out, "new.csv", body, START - 2 * HOUR)
    drop(out, "new.csv.done", b"", START - 2 * HOUR)
    drop(out, "newest.csv", b"sku;st", START - HOUR)
    with opened(settings(server)) as connection:
        offers = offers_in(connection)
        assert (len(offers), offers[-1].units, offers[-1].as_of) == (20_000, 19_999, START - 2 * HOUR)
        assert offers_in(connection) == []


def test_a_key_signs_in_as_well(server: Server, tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    CLIENT_KEY.write_private_key_file(str(key_file), password="not-a-real-passphrase")
    key = {"password": None, "private_key": key_file.read_text(), "passphrase": "not-a-real-passphrase"}
    with opened(settings(server, **key)) as connection:
        connection.send_order(ORDER)
    assert [path.name for path in (server.root / "in").iterdir()] == ["SO-1.json"]
    wrong = {**key, "passphrase": "wrong"}
    with (
        opened(settings(server, **wrong)) as connection,
        pytest.raises(CredentialsError, match="its passphrase is wrong"),
    ):
        connection.send_order(ORDER)


def test_an_order_is_written_under_a_temporary_name_and_once(server: Server) -> None:
    with opened(settings(server)) as connection:
        connection.send_order(ORDER)
        connection.send_order(ORDER)
    with opened(settings(server)) as connection:
        connection.send_order(ORDER)
    assert server.log == ["write /in/.SO-1.json.part", "rename /in/.SO-1.json.part /in/SO-1.json"]
    assert [path.name for path in (server.root / "in").iterdir()] == ["SO-1.json"]


def test_two_writers_of_one_order_make_one_file(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = paramiko.SFTPClient.rename

    def another_was_first(session: paramiko.SFTPClient, old: str, new: str) -> None:
        (server.root / "in" / "SO-1.json").write_text("of the other")
        rename(session, old, new)

    monkeypatch.setattr(paramiko.SFTPClient, "rename", another_was_first)
    with opened(settings(server)) as connection:
        connection.send_order(ORDER)
    assert server.log == ["write /in/.SO-1.json.part", "remove /in/.SO-1.json.part"]
    assert (server.root / "in" / "SO-1.json").read_text() == "of the other"


def test_reply_files_move_away_after_the_caller_came_again(server: Server) -> None:
    replies = server.root / "replies"
    drop(replies, "r1.csv", b"ref;line;qty\nSO-1;1;2\n", START - 2 * HOUR)
    (replies / "done").mkdir()
    drop(replies / "done", "r1.csv", b"an earlier one", START)
    with opened(settings(server)) as connection:
        heard = connection.pull_replies()
        assert next(heard) == SupplierReply(reference="SO-1", confirmed={"1": 2}, happened_at=START - 2 * HOUR)
        assert (replies / "r1.csv").exists()
        assert list(heard) == []
    assert sorted(path.name for path in replies.iterdir()) == ["done"]
    assert sorted(path.name for path in (replies / "done").iterdir()) == ["r1.csv", "r1.csv.2"]
    assert (replies / "done" / "r1.csv").read_bytes() == b"an earlier one"


def test_a_reply_file_that_another_reader_moved_away_meanwhile_is_skipped(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies = server.root / "replies"
    drop(replies, "r1.csv", b"ref;line;qty\nSO-1;1;2\n", START - 2 * HOUR)
    drop(replies, "r2.csv", b"ref;line;qty\nSO-2;1;2\n", START - HOUR)
    listed = SftpFiles.entries

    def another_is_faster(files: SftpFiles, folder: str) -> list[FileEntry]:
        found = listed(files, folder)
        (replies / "r1.csv").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(SftpFiles, "entries", another_is_faster)
    with opened(settings(server)) as connection:
        assert [reply.reference for reply in connection.pull_replies()] == ["SO-2"]


def test_the_done_folder_is_made_when_it_is_missing(server: Server) -> None:
    drop(server.root / "replies", "r1.csv", b"ref;line;qty\nSO-1;1;2\n", START)
    with opened(settings(server)) as connection:
        assert len(list(connection.pull_replies())) == 1
    assert (server.root / "replies" / "done" / "r1.csv").exists()


def test_a_server_with_another_host_key_is_not_spoken_to(server: Server) -> None:
    pinned = f"{OTHER_KEY.get_name()} {OTHER_KEY.get_base64()}"
    with (
        opened(settings(server, host_key=pinned)) as connection,
        pytest.raises(CredentialsError, match="another host key"),
    ):
        connection.send_order(ORDER)
    assert server.log == []


def test_a_server_with_a_key_of_another_type_is_not_spoken_to(server: Server) -> None:
    pinned = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBkyKyL4nEM5kAbEC8hAJPF3DZUXAR9dcgyPHSZxHREX"
    with (
        opened(settings(server, host_key=pinned)) as connection,
        pytest.raises(CredentialsError, match="another host key"),
    ):
        connection.send_order(ORDER)
    assert server.log == []


def test_a_server_that_speaks_only_old_ssh_is_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(client: paramiko.SSHClient, *args: object, **options: object) -> NoReturn:
        raise IncompatiblePeer("no acceptable kex algorithm")

    monkeypatch.setattr(paramiko.SSHClient, "connect", refuses)
    with (
        opened(settings(server)) as connection,
        pytest.raises(ContractError, match="no form of SSH that is still safe"),
    ):
        connection.send_order(ORDER)


def test_a_wrong_password_is_told_and_not_shown(server: Server) -> None:
    wrong = settings(server, password="wrong-secret")
    with opened(wrong) as connection, pytest.raises(CredentialsError) as refusal:
        connection.send_order(ORDER)
    assert "wrong-secret" not in str(refusal.value) + repr(wrong)


def test_a_missing_folder_and_a_forbidden_file_are_told(server: Server) -> None:
    files = SftpFiles(account(server))
    try:
        with pytest.raises(ContractError, match=r"folder '/no' on 127\.0\.0\.1 or the file in it is not there"):
            files.entries("/no")
        drop(server.root / "out", "forbidden.csv", b"x", START)
        with pytest.raises(ScopeError, match=r"folder '/out' on 127\.0\.0\.1 may not be used"):
            files.read("/out", "forbidden.csv")
        files.move("/out", "gone.csv", "/in")  # taken by somebody else meanwhile: nothing happens
    finally:
        files.close()


def test_a_dropped_session_is_no_answer_and_the_next_call_signs_in_again(server: Server) -> None:
    with opened(settings(server)) as connection:
        with pytest.raises(FeedHeldError, match="no complete feed"):
            offers_in(connection)
        server.drop_connections()
        with pytest.raises(NoAnswerError, match="gave no answer"):
            connection.send_order(ORDER)
        connection.send_order(ORDER)
    assert [path.name for path in (server.root / "in").iterdir()] == ["SO-1.json"]


def test_a_server_that_is_not_there_is_unavailable(server: Server) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with opened(settings(server, port=port)) as connection, pytest.raises(UnavailableError, match="cannot be reached"):
        connection.send_order(ORDER)


@pytest.mark.parametrize(
    "line", ["", "ssh-ed25519", "ssh-ed25519 AAAA", "host ssh-ed25519 AAAAC3Nz", "ssh-rsa !!!", "x y"]
)
def test_a_host_key_that_is_none_says_what_to_write(server: Server, line: str) -> None:
    with pytest.raises(ValidationError, match="the pinned host key is not a public key: write its type and its text"):
        account(server, host_key=line)


def test_an_account_signs_in_in_one_way(server: Server) -> None:
    for changes in ({"password": None}, {"private_key": "text"}):
        with pytest.raises(ValidationError, match="needs either a password or a private key"):
            account(server, **changes)
