"""An account with what a person has before the first `pulumi up`: network, image, zone, bucket; moto's server answers for it.

The rule: addresses are loopback ones that this account alone holds, so that an instance's private address is its real one.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from lab.aws.front import ACCOUNT, Front, Policies
from lab.node.network import FIRST, LAST, hold, release

REGION, DOMAIN, BUCKET = "eu-central-1", "lab.test", "lab-packages"
IMAGE = "ami-01ab0000000000001"
PERSON = "AKIALABPERSON0000000"
SECRET = "lab"  # noqa: S105 - nobody checks it
NETS = range(4)
"""The third number of the networks that are held: 0 is the balancers', the others are subnets."""
TRIES = 400


@dataclass(frozen=True)
class Place:
    """What stands in the stack file and in the environment of whoever uses the account."""

    endpoint: str
    network: str
    vpc: str
    subnets: tuple[str, ...]
    image: str
    zone: str
    resolver: str
    domain: str = DOMAIN
    bucket: str = BUCKET
    region: str = REGION

    @property
    def environment(self) -> dict[str, str]:
        """What leads boto3 and the plugin here."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": PERSON,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> Place:
        """The other way round."""
        found = json.loads(text)
        return cls(**{**found, "subnets": tuple(found["subnets"])})


def network() -> str:
    """A network ``127.a`` of which nobody else has the first nets.

    Raises:
        OSError: there is none.

    """
    source = Random()
    for _ in range(TRIES):
        first = f"127.{source.randint(FIRST, LAST)}"
        held: list[str] = []
        try:
            for third in NETS:
                hold(f"{first}.{third}")
                held.append(f"{first}.{third}")
        except OSError:
            for one in held:
                release(one)
        else:
            return first
    raise OSError(f"no free network 127.a.0.0 after {TRIES} tries")


def prepared() -> None:
    """What moto reads when it is imported: one image of ours instead of the thousand of Amazon's."""
    image: dict[str, Any] = {
        "ami_id": IMAGE,
        "name": "debian-12",
        "owner_id": ACCOUNT,
        "root_device_name": "/dev/xvda",
        "root_device_type": "ebs",
    }
    image |= {
        "architecture": "x86_64",
        "state": "available",
        "public": True,
        "virtualization_type": "hvm",
        "region_name": REGION,
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        json.dump([image], file)
    os.environ |= {"MOTO_AMIS_PATH": file.name, "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}
    import moto.ec2.models.amis

    Path(file.name).unlink()
    assert moto.ec2.models.amis.AMIS  # noqa: S101 - it reads the file when it is imported


class Account:
    """One, served by threads of this process."""

    def __init__(self, policies: Policies, control: Callable[[str, Any], Any]) -> None:
        """Answer from now on."""
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
        from werkzeug.serving import make_server

        class Quiet(MotoRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_request(self, code: Any = "-", size: Any = "-") -> None:
                """Calls are counted, not told."""

        self.front = Front(DomainDispatcherApplication(create_backend_app), REGION, policies, control)
        self._server = make_server("127.0.0.1", 0, self.front, threaded=True, request_handler=Quiet)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def furnish(self, first: str, resolver: str) -> Place:
        """Make what is there before anybody comes; ``resolver`` is where the account's name servers answer."""
        ec2, route53, s3 = (self.client(name) for name in ("ec2", "route53", "s3"))
        vpc = str(ec2.create_vpc(CidrBlock=f"{first}.0.0/16")["Vpc"]["VpcId"])
        zones = zip("abc", NETS[1:], strict=True)
        made = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"{first}.{third}.0/24", AvailabilityZone=f"{REGION}{letter}")
            for letter, third in zones
        ]
        zone = route53.create_hosted_zone(Name=DOMAIN, CallerReference="lab")["HostedZone"]["Id"].rpartition("/")[2]
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        subnets = tuple(str(one["Subnet"]["SubnetId"]) for one in made)
        return Place(self.endpoint, first, vpc, subnets, IMAGE, zone, resolver)

    def client(self, service: str, who: str = PERSON) -> Any:
        """A client of boto3, as somebody."""
        import boto3

        return boto3.session.Session(who, SECRET, region_name=REGION).client(service, endpoint_url=self.endpoint)  # type: ignore[call-overload]
