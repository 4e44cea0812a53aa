"""The server over HTTP as it is, but for the token, which the official suite cannot send: `serve.py`."""

import socket

from guildhall.mcp_server.over_http import Where, application, serve_app

if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    print(port, flush=True)
    serve_app(application(Where(), port=port), listening)
