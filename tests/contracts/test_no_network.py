"""The tests reach nothing beyond this machine, whatever they call by mistake."""

import socket

import pytest
from pytest_socket import SocketConnectBlockedError

#: The plug-in warns before it raises, and here warnings are errors.
BLOCKED = (SocketConnectBlockedError, UserWarning)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
def test_a_connection_to_elsewhere_is_refused(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as outward, pytest.raises(BLOCKED):
        outward.connect((host, 80))
