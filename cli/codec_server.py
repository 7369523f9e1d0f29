"""sojourn codec-server: decrypted payloads in the Temporal UI."""

from typing import Annotated
from urllib.parse import urlsplit

import typer


def codec_server(
    host: Annotated[
        str, typer.Option(help="Where to listen. Beyond this machine it takes SOJOURN_CODEC_KEY.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="For http://localhost:PORT in the Temporal UI's settings.")] = 8081,
) -> None:
    """Decrypt payloads for the Temporal UI at SOJOURN_TEMPORAL_UI_URL."""
    import uvicorn

    from api.codec_server import create_codec_server
    from domain.deployment.secrets import is_loopback
    from domain.errors import InvalidRequestError
    from runtime.encryption import EncryptionCodec
    from runtime.logs import configure_logs
    from settings_temporal import CodecServerSettings

    settings = CodecServerSettings()
    if not (keys := settings.payload_keys_by_id):
        raise InvalidRequestError("SOJOURN_PAYLOAD_KEYS is not set: without keys there is nothing to decrypt")
    if not is_loopback(host) and settings.codec_key is None:
        wanted = "set SOJOURN_CODEC_KEY (openssl rand -hex 32), or listen on 127.0.0.1"
        raise InvalidRequestError(f"{host} is reached from other machines: {wanted}")
    configure_logs()
    ui = urlsplit(settings.temporal_ui_url)
    app = create_codec_server(
        EncryptionCodec(keys),
        ui_origin=f"{ui.scheme}://{ui.netloc}",
        key=settings.codec_key.get_secret_value() if settings.codec_key else None,
    )
    uvicorn.run(app, host=host, port=port, log_config=None, access_log=False, server_header=False)
