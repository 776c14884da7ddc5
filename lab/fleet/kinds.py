"""The table of the kinds of client, as docs/emqx/clients.md has them; a kind is a row here and nothing else.

The rule: no kind is asked for by its name anywhere; what it does is in its fields. Where the recordings leave a choice to the
application (a connect callback, a count of tries), there is a kind for each choice, and the comment says so.
"""

from __future__ import annotations

from dataclasses import replace

from lab.fleet.kind import MQTT_3_1_1, MQTT_5, Cause, Kind

EVERY_END = frozenset(Cause)
ANY_CODE = frozenset(range(1, 256))
MQTT_5_CODES = frozenset(range(0x80, 0x100))
"""Reason codes of a refusal in MQTT 5; those of 3.1.1 are 1 to 5."""
DOUBLING = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""After a first wait of 1 s; the cap follows."""

PLAIN = Kind(
    "plain", "", "", first=(0.0, 0.2), then=(0.5, 1.0, 2.0, 4.0, 8.0, 10.0), spread=(0.5, 1.0), subscribes="no session"
)
"""No library: comes back within 0.2 s whatever happened, so that figures of a broker are not those of its clients."""

_LIBMOSQUITTO_OLD = Kind(
    "libmosquitto-old", "libmosquitto", "2.0.11", ends=frozenset({Cause.DISCONNECT}), ends_at=MQTT_5_CODES
)
_LIBMOSQUITTO = Kind("libmosquitto", "libmosquitto", "2.0.21", ends_at=MQTT_5_CODES)
_PAHO_PYTHON = Kind("paho-python", "paho-mqtt", "2.2.0", then=(*DOUBLING, 120.0), clean_once=(MQTT_5,))
_GMQTT_CODES = frozenset({0x9C, 0x87, 5, 1, 2, 4})
_PAHO_C_WAITS = (3.0, 6.0, 12.0, 21.0, 30.0, 60.0)
_TASMOTA_WAITS = tuple(float(wait) for wait in range(10, 121, 10))

ALL = (
    PLAIN,
    _LIBMOSQUITTO,
    # subscribed once, before its loop, as short programs do
    replace(_LIBMOSQUITTO, name="libmosquitto-once", subscribes="once"),
    _LIBMOSQUITTO_OLD,
    Kind(
        "mosquitto-sub",
        "mosquitto_sub",
        "2.0.11",
        ends=_LIBMOSQUITTO_OLD.ends,
        ends_at=ANY_CODE,
    ),
    _PAHO_PYTHON,
    replace(_PAHO_PYTHON, name="paho-python-once", subscribes="once"),
    Kind("aiomqtt", "aiomqtt", "2.5.1", first=(5.0, 5.0), then=(5.0,), refused_then=(15.0,)),
    Kind(
        "gmqtt",
        "gmqtt",
        "0.8.0",
        first=(6.0, 6.0),
        then=(6.0,),
        ends_at=_GMQTT_CODES,
        clean_once=(MQTT_5, MQTT_3_1_1),
        forgets="everybody",
    ),
    Kind(
        "aws",
        "AWS mqtt5",
        "0.36.1",
        (MQTT_5,),
        first=(0.0, 1.0),
        then=(*DOUBLING, 120.0),
        spread=(0.0, 1.0),
    ),
    Kind(
        "azure",
        "azure-iot-device",
        "2.14.0",
        (MQTT_3_1_1,),
        first=(0.01, 0.01),
        then=(10.0,),
        ends_at=frozenset({4, 5}),
    ),
    Kind("paho-c", "Paho C, MQTTAsync", "1.3.12", first=(1.5, 1.5), then=_PAHO_C_WAITS, forgets="everybody"),
    Kind("paho-java", "Paho Java", "1.2.5", then=(*DOUBLING, 128.0), forgets="clean"),
    Kind(
        "hivemq",
        "HiveMQ",
        "1.3.7",
        first=(0.75, 1.25),
        then=(*DOUBLING, 120.0),
        spread=(0.75, 1.25),
        subscribes="no session",
        forgets="everybody",
    ),
    Kind(
        "paho-go",
        "Paho Go",
        "1.5.1",
        (MQTT_3_1_1,),
        first=(0.0, 0.0),
        then=(1.0, *DOUBLING, 128.0, 256.0, 512.0, 600.0),
    ),
    Kind(
        "autopaho",
        "autopaho",
        "0.23.0",
        (MQTT_5,),
        first=(0.0, 0.0),
        then=(10.0,),
        clean_once=(MQTT_5,),
        forgets="everybody",
    ),
    # thousands of refused connections a second, or hundreds of refused CONNECTs: from one client
    Kind(
        "rumqttc",
        "rumqttc, loop that polls on",
        "0.25.1",
        first=(0.0, 0.0),
        then=(0.0005,),
        refused_then=(0.003,),
        forgets="everybody",
    ),
    # the same with a pause of 0.5 s in the application's loop
    Kind(
        "rumqttc-paused",
        "rumqttc, loop that polls on",
        "0.25.1",
        first=(0.5, 0.5),
        then=(0.5,),
        forgets="everybody",
    ),
    Kind(
        "rumqttc-readme",
        "rumqttc, loop as in its README",
        "0.25.1",
        ends=EVERY_END,
        ends_at=ANY_CODE,
    ),
    Kind("mqttjs", "MQTT.js", "5.15.2", subscribes="no session"),
    Kind("mqttjs-5.16", "MQTT.js", "5.16.0", ends_at=ANY_CODE, subscribes="no session"),
    Kind(
        "mqttx",
        "MQTTX CLI",
        "1.13.0",
        (MQTT_5,),
        ends=frozenset({Cause.RST, Cause.TCP}),
        ends_at=ANY_CODE,
        most_tries=10,
        subscribes="no session",
    ),
    Kind("node-red", "Node-RED", "5.0.4", first=(5.0, 5.0), then=(5.0,)),
    # reconnect is off by default; with it on the application also says how often: for ever, or a count
    Kind("emqtt-default", "emqtt (Erlang), as it comes", "2026-07-29", ends=EVERY_END, ends_at=ANY_CODE),
    Kind("emqtt", "emqtt (Erlang), reconnect set", "2026-07-29", first=(5.0, 5.0), then=(5.0,)),
    Kind("emqtt-count", "emqtt (Erlang), reconnect set", "2026-07-29", first=(5.0, 5.0), then=(5.0,), most_tries=10),
    Kind("esp-mqtt", "ESP-IDF esp-mqtt", "1.1.0", first=(10.0, 10.0), then=(10.0,)),
    Kind("zephyr", "Zephyr MQTT", "undated", ends=EVERY_END, ends_at=ANY_CODE),
    Kind("pubsubclient", "PubSubClient", "2.8", (MQTT_3_1_1,), first=(0.0, 5.0), then=(5.0,)),
    Kind("tasmota", "Tasmota", "undated", (MQTT_3_1_1,), first=(0.0, 1.0), then=_TASMOTA_WAITS),
)

KINDS = {kind.name: kind for kind in ALL}

MIXTURE = {
    "paho-python": 16,
    "paho-python-once": 4,
    "libmosquitto": 10,
    "libmosquitto-once": 2,
    "libmosquitto-old": 4,
    "mosquitto-sub": 1,
    "mqttjs": 12,
    "mqttjs-5.16": 4,
    "mqttx": 1,
    "node-red": 2,
    "paho-java": 8,
    "hivemq": 5,
    "paho-c": 8,
    "paho-go": 4,
    "autopaho": 2,
    "aws": 4,
    "azure": 1,
    "esp-mqtt": 4,
    "pubsubclient": 1,
    "tasmota": 2,
    "aiomqtt": 1,
    "gmqtt": 1,
    "emqtt": 1,
    "emqtt-count": 1,
    "rumqttc-paused": 1,
}
"""In percent. Nobody has counted the world's clients: our estimate of what a fleet has, in which no kind is left out that comes back.

Six in ten come back after 1 s without jitter. Left out are those that an application has to bring back, and ``rumqttc``, of which one
client loads a refusing server like hundreds.
"""
