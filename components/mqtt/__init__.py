"""MQTT 3.1, 3.1.1 and 5 packets as values; encoding and decoding only, no sockets."""

from components.mqtt.decoder import Decoder
from components.mqtt.encoder import encode
from components.mqtt.packets import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    Will,
)
from components.mqtt.properties import Property
from components.mqtt.reasons import Reason
from components.mqtt.wire import MalformedPacket, PacketTooLarge

__all__ = [
    "Auth",
    "Connack",
    "Connect",
    "Decoder",
    "Disconnect",
    "MalformedPacket",
    "Packet",
    "PacketTooLarge",
    "Pingreq",
    "Pingresp",
    "Property",
    "Puback",
    "Pubcomp",
    "Publish",
    "Pubrec",
    "Pubrel",
    "Reason",
    "Suback",
    "Subscribe",
    "Subscription",
    "Unsuback",
    "Unsubscribe",
    "Will",
    "encode",
]
