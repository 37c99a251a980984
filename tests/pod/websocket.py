"""A WebSocket client of the standard library's parts: short text messages, each in one frame."""

import base64
import os
import socket
import struct


class WebSocket:
    """An open WebSocket."""

    def __init__(self, host, port, path, headers):
        self.socket = socket.create_connection((host, port), timeout=30)
        self.stream = self.socket.makefile("rb")
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}:{port}", "Connection: Upgrade", "Upgrade: websocket"]
        lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        head = iter(self.stream.readline, b"\r\n")
        first = next(head)
        assert first.startswith(b"HTTP/1.1 101 "), first
        for _ in head:
            pass

    def send(self, message):
        payload, mask = message.encode(), os.urandom(4)
        small, large = struct.pack("!BB", 0x81, 0x80 | min(len(payload), 125)), struct.pack("!BBQ", 0x81, 0xFF, len(payload))
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        self.socket.sendall((small if len(payload) < 126 else large) + mask + masked)

    def receive(self):
        kind, length = self.stream.read(2)
        assert kind == 0x81, kind
        if length >= 126:
            wide = {126: "!H", 127: "!Q"}[length]
            (length,) = struct.unpack(wide, self.stream.read(struct.calcsize(wide)))
        return self.stream.read(length).decode()

    def close(self):
        """The closing handshake: an empty close frame each way."""
        self.socket.sendall(struct.pack("!BB", 0x88, 0x80) + bytes(4))
        assert self.stream.read(1) == b"\x88"
        self.abandon()

    def abandon(self):
        self.stream.close()
        self.socket.close()
