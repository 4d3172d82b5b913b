"""What the HTTP servers of tests have in common."""

from http.server import BaseHTTPRequestHandler


class KeepAliveHandler(BaseHTTPRequestHandler):
    """Answers all requests of a connection, each at once, and logs none."""

    protocol_version = "HTTP/1.1"
    # Else the body of an answer waits until the client has acknowledged its head: 40 ms a request.
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""
