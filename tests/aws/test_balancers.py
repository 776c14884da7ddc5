"""The lab's Network Load Balancer, held against what AWS documents of it: weights, old connections, the hour, health, PROXY protocol."""

from __future__ import annotations

import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from lab.aws.cloud import Cloud
from tests.aws.waiting import until
from tests.certificates import issued

pytestmark = [pytest.mark.aws, pytest.mark.timeout(400)]


class Target:
    """Says its name to whoever connects, and keeps the connection; answers its check as it is told."""

    def __init__(self, name: str, host: str) -> None:
        self.name, self.host, self.status = name, host, 200
        self.seen: list[bytes] = []
        self.checked = b""
        told = self

        class Mqtt(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                told.seen.append(self.request.recv(28))
                self.request.sendall(name.encode())
                while self.request.recv(64):
                    pass

        class Check(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                told.checked = self.rfile.read(16)
                while self.rfile.readline().strip():
                    pass
                self.wfile.write(f"HTTP/1.1 {told.status} X\r\nContent-Length: 0\r\n\r\n".encode())

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 64

        self._servers = [Server((host, 0), Mqtt), Server((host, 0), Check)]
        self.port, self.check = (server.server_address[1] for server in self._servers)
        for server in self._servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()


class Bench:
    """A balancer with a target group for each of two targets."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.elbv2, place = cloud, cloud.client("elbv2"), cloud.place
        self.targets = {
            name: Target(name, f"{place.network}.3.{number}") for name, number in (("blue", 201), ("green", 202))
        }
        made = self.elbv2.create_load_balancer(
            Name="bench", Type="network", Scheme="internal", Subnets=list(place.subnets)
        )
        self.balancer = made["LoadBalancers"][0]["LoadBalancerArn"]
        self.host = self.elbv2.describe_load_balancers(LoadBalancerArns=[self.balancer])["LoadBalancers"][0]["DNSName"]
        self.groups = {name: self._group(name, one) for name, one in self.targets.items()}
        listened = self.elbv2.create_listener(
            LoadBalancerArn=self.balancer, Port=1883, Protocol="TCP", DefaultActions=self.action(blue=1, green=0)
        )
        self.listener = listened["Listeners"][0]["ListenerArn"]
        until(lambda: [self.health(name) for name in self.groups] == ["healthy", "healthy"], "two healthy targets")

    def _group(self, name: str, target: Target) -> str:
        made = self.elbv2.create_target_group(
            Name=f"bench-{name}",
            Protocol="TCP",
            Port=target.port,
            VpcId=self.cloud.place.vpc,
            TargetType="ip",
            HealthCheckProtocol="HTTP",
            HealthCheckPort=str(target.check),
            HealthCheckPath="/",
            HealthCheckIntervalSeconds=10,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=2,
        )
        arn = str(made["TargetGroups"][0]["TargetGroupArn"])
        proxied = {"Key": "proxy_protocol_v2.enabled", "Value": "true"}
        kept = {"Key": "target_health_state.unhealthy.connection_termination.enabled", "Value": "false"}
        self.elbv2.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[proxied, kept])
        self.elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": target.host, "Port": target.port}])
        return arn

    def action(self, **weights: int) -> list[dict[str, Any]]:
        groups = [{"TargetGroupArn": self.groups[name], "Weight": weight} for name, weight in weights.items()]
        return [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]

    def weigh(self, **weights: int) -> None:
        self.elbv2.modify_listener(ListenerArn=self.listener, DefaultActions=self.action(**weights))

    def health(self, name: str) -> str:
        listed = self.elbv2.describe_target_health(TargetGroupArn=self.groups[name])["TargetHealthDescriptions"]
        return str(listed[0]["TargetHealth"]["State"])

    def flows(self) -> list[int]:
        return [count for count in self.cloud.ask("balancers/flows").values() if count]

    def connect(self) -> tuple[socket.socket, str]:
        """A connection, and who answers it."""
        sock = socket.create_connection((self.host, 1883), 30)
        sock.settimeout(60)
        sock.sendall(b"x")
        return sock, sock.recv(64).decode()


@pytest.fixture(scope="module")
def bench(cloud: Cloud) -> Iterator[Bench]:
    made = Bench(cloud)
    yield made
    made.elbv2.delete_load_balancer(LoadBalancerArn=made.balancer)
    for target in made.targets.values():
        target.close()


def ended(sock: socket.socket) -> bool:
    try:
        return not sock.recv(1)
    except ConnectionResetError:
        return True


def test_a_weight_counts_for_new_connections_only(bench: Bench) -> None:
    old, first = bench.connect()
    bench.weigh(blue=0, green=1)
    new, second = bench.connect()
    assert (first, second) == ("blue", "green")
    old.settimeout(1)
    with pytest.raises(TimeoutError):
        old.recv(1)
    old.close()
    new.close()


def test_a_connection_that_both_sides_have_ended_is_held_no_longer(bench: Bench) -> None:
    until(lambda: bench.flows() == [], "the end of those before")
    sock, _ = bench.connect()
    with sock:
        assert bench.flows() == [1]
        sock.shutdown(socket.SHUT_WR)
        assert not sock.recv(1)
        until(lambda: bench.flows() == [], "the end of the connection")


def test_weights_share_the_new_connections(bench: Bench) -> None:
    bench.weigh(blue=1, green=3)
    answers = []
    for _ in range(60):
        sock, who = bench.connect()
        answers.append(who)
        sock.close()
    assert 25 <= answers.count("green") <= 59
    assert set(answers) == {"blue", "green"}


def test_a_target_is_told_who_connects(bench: Bench) -> None:
    bench.weigh(blue=1, green=0)
    sock, _ = bench.connect()
    header = bench.targets["blue"].seen[-1]
    assert header[:16] == b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c"
    assert header[16:20] == socket.inet_aton(sock.getsockname()[0])
    assert struct.unpack("!H", header[24:26])[0] == sock.getsockname()[1]
    sock.close()


def test_a_check_begins_with_the_header_of_nobody_wherever_it_asks(bench: Bench) -> None:
    assert bench.targets["blue"].checked == b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"


def test_who_is_on_a_group_without_weight_is_ended_after_the_hour(bench: Bench) -> None:
    old, _ = bench.connect()
    bench.cloud.ask("balancers/factors", {"hour": 0.0, "check": 0.02})
    try:
        bench.weigh(blue=0, green=1)
        assert ended(old)
    finally:
        bench.cloud.ask("balancers/factors", {"hour": 0.05, "check": 0.02})
        old.close()


def test_a_target_that_fails_its_check_gets_nobody_new_and_keeps_whom_it_has(bench: Bench) -> None:
    bench.weigh(blue=1, green=0)
    old, _ = bench.connect()
    bench.targets["blue"].status = 503
    until(lambda: bench.health("blue") == "unhealthy", "an unhealthy target")
    old.settimeout(1)
    with pytest.raises(TimeoutError):
        old.recv(1)
    bench.targets["blue"].status = 200
    until(lambda: bench.health("blue") == "healthy", "the target's health")
    old.close()


def test_a_tls_listener_ends_tls_with_the_certificate_that_was_imported_and_targets_get_it_plain(
    bench: Bench,
) -> None:
    made = issued("mqtt.lab", host=bench.host)
    imported = bench.cloud.client("acm").import_certificate(
        Certificate=made.chain.encode(), PrivateKey=made.key_text().encode()
    )
    bench.elbv2.create_listener(
        LoadBalancerArn=bench.balancer,
        Port=8883,
        Protocol="TLS",
        Certificates=[{"CertificateArn": imported["CertificateArn"]}],
        DefaultActions=bench.action(blue=1, green=0),
    )
    context = ssl.create_default_context(cadata=made.chain)

    def connected() -> socket.socket | None:
        try:
            return socket.create_connection((bench.host, 8883), 30)
        except ConnectionRefusedError:
            return None

    plain: socket.socket = until(connected, "the listener")
    plain.settimeout(60)
    with context.wrap_socket(plain, server_hostname=bench.host) as sock:
        sock.sendall(b"x")
        assert sock.recv(64) == b"blue"
        assert bench.targets["blue"].seen[-1].startswith(b"\r\n\r\n\x00\r\nQUIT\n\x21")
