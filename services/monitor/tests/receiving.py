"""Servers of the other side, on loopback: one that takes HTTP posts, one that takes mail."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import default


@dataclass
class Post:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class HttpReceiver:
    """Answers with the next of `answers` (then 200), keeps what it was sent."""

    port: int = 0
    posts: list[Post] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    is_silent: bool = False

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.posts.append(Post(request.split()[1], headers, body))
        if self.is_silent:
            await reader.read()
        else:
            writer.write(self.answers.pop(0) if self.answers else answer(200))
            await writer.drain()
        writer.close()


@dataclass
class MailReceiver:
    """A sink for SMTP (RFC 5321) that answers RCPT with `recipient_code`."""

    port: int = 0
    mails: list[tuple[list[str], Message]] = field(default_factory=list)
    recipient_codes: list[int] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recipients: list[str] = []
        writer.write(b"220 sink\r\n")
        while line := await reader.readline():
            verb = line[:4].upper().strip()
            if verb == b"RCPT":
                code = self.recipient_codes.pop(0) if self.recipient_codes else 250
                recipients += [line.decode().split("<")[1].split(">")[0]] if code == 250 else []
                writer.write(f"{code} recipient\r\n".encode())
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                content = await reader.readuntil(b"\r\n.\r\n")
                self.mails.append((recipients, message_from_bytes(content[:-5] + b"\r\n", policy=default)))
                writer.write(b"250 taken\r\n")
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 sink\r\n")
        writer.close()


def answer(status: int, body: bytes = b"{}", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", "connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def listening(serve: Callable[..., object]) -> AsyncIterator[int]:
    """A server on a free port of loopback, which it gives."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)  # type: ignore[arg-type]
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
