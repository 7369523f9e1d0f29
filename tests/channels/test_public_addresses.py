import pytest

from channels.public_addresses import is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.10", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",  # noqa: S104
        "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "fe80::1", "fe80::1%lo", "fec0::1", "fc00::1",
        "fd00:ec2::254", "ff02::1", "2001:db8::1", "2001::1", "2002:7f00:1::", "2002:a00:1::", "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "64:ff9b:1::101:101", "64:ff9b:1:101:1:100::", "168.63.129.16",
        "100.100.100.200", "3fff::1", "3fff:fff::1", "5f00::1", "100::1", "2001:2::1", "2001:20::1", "192.88.99.1",
        "203.0.113.9", "198.51.100.9", "192.0.0.192", "4000::1",
    ],
)  # fmt: skip
def test_addresses_outside_of_the_public_internet(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "93.184.215.14",
        "2606:4700::1111",
        "::ffff:1.1.1.1",
        "64:ff9b::101:101",
        "2002:101:101::",
        "168.63.129.17",
        "2a00:1450:4001::1",
    ],
)
def test_public_addresses(address: str) -> None:
    assert is_public(address)
