"""The address at which a call reached this service, where the request names a sound one."""

from __future__ import annotations

from contextlib import suppress

from flask import request

from cds_service.setting_kinds import public_url


def called_url() -> str:
    """Without `/` at its end; empty where the Host header of the request names none."""
    with suppress(ValueError):
        return public_url(request.root_url)
    return ""
