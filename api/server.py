"""The HTTP server, taught to end event streams before it waits for connections to close."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI

from api.door import Door


class Server(uvicorn.Server):
    """Serves one app until told to stop; requests under way are answered, streams end."""

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._door: Door = app.state.door

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, end what would go on for ever, and wait for the rest."""
        self._door.watcher.close()
        await super().shutdown(sockets)
