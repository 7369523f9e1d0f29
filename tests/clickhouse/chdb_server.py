"""python chdb_server.py: ClickHouse's HTTP interface over chdb, on a free port, which it prints.

It runs in an environment of its own (tests/clickhouse/requirements.lock), without any of ours. Like the interface, it
takes a statement from the query or the body, settings and `param_…` from the query, and names the code of an error.
"""

import re
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl, urlsplit

from chdb.session import Session  # type: ignore[import-not-found]

SESSION = Session()
SESSION.query("CREATE DATABASE sojourn")


class Handler(BaseHTTPRequestHandler):
    """One statement a request."""

    def do_POST(self) -> None:
        """Run it."""
        options = dict(parse_qsl(urlsplit(self.path).query))
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        statement = f"{options.pop('query')} {body}" if "query" in options else body
        SESSION.query(f"USE {options.pop('database')}")
        for name in [name for name in options if name.startswith("param_")]:
            place = re.compile(r"\{" + name.removeprefix("param_") + r":([^}]+)\}")
            value = f"CAST({options.pop(name)} AS {place.findall(statement)[0]})"
            statement = place.sub(value.replace("\\", r"\\"), statement)
        settings = ", ".join(f"{name} = '{value}'" for name, value in options.items())
        if settings:
            statement = statement.replace(" FORMAT ", f" SETTINGS {settings} FORMAT ", 1)
        try:
            answer = str(SESSION.query(statement, "TabSeparated")).encode()
            self.send_response(200)
        except Exception as error:  # noqa: BLE001 -- chdb raises that one
            answer = str(error).encode()
            self.send_response(500)
            self.send_header("X-ClickHouse-Exception-Code", (re.findall(r"Code: (\d+)", str(error)) or ["0"])[0])
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)  # noqa: T201
    server.serve_forever()
