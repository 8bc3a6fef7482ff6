"""The process behind `SandboxS3`: moto's S3, open to one access key only, ended when standard input closes.

Run as a program: `python moto_process.py PORT`; the access key comes by the environment.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from moto import settings
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_REFUSAL = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>AccessDenied</Code><Message>Access Denied: the request is not signed.</Message></Error>"
)


def main() -> None:
    """Serve until standard input closes."""
    _admit_only(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    application = _signed_only(DomainDispatcherApplication(create_backend_app))
    port = int(sys.argv[1])
    run_simple("127.0.0.1", port, application, threaded=True, request_handler=_keep_alive(MotoRequestHandler))


def _admit_only(access_key_id: str, secret_access_key: str) -> None:
    # Done inside the server rather than over its IAM API, so that the keys stay the same over a restart.
    iam = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
    iam.create_user(region_name="us-east-1", user_name="sandbox")
    key = iam.create_access_key("sandbox")
    key.access_key_id, key.secret_access_key = access_key_id, secret_access_key
    statement = {"Effect": "Allow", "Action": ["s3:*", "glue:*"], "Resource": "*"}
    iam.put_user_policy("sandbox", "lake", json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0


def _signed_only(application: WSGIApplication) -> WSGIApplication:
    # moto checks signatures, but stumbles over a request that has none.
    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("HTTP_AUTHORIZATION", "").startswith("AWS4-HMAC-SHA256 "):
            # S3 reads `+` in a query as a space, which the signature spells `%20`; polars sends the former.
            for part in {"QUERY_STRING", "REQUEST_URI", "RAW_URI"} & environ.keys():
                path, mark, query = environ[part].rpartition("?")
                environ[part] = path + mark + query.replace("+", "%20")
            return application(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(_REFUSAL)))])
        return [_REFUSAL]

    return guarded


def _keep_alive(handler: type[Any]) -> type[Any]:
    return type("KeepAlive", (handler,), {"protocol_version": "HTTP/1.1"})


def _end_with_standard_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
