"""The codec: every packet survives a round trip, any cut of the bytes gives the same packets, and junk is only ever `MalformedPacket`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.mqtt import (
    Auth,
    Connack,
    Connect,
    Decoder,
    Disconnect,
    MalformedPacket,
    Packet,
    PacketTooLarge,
    Pingreq,
    Pingresp,
    Property,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Reason,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    Will,
    encode,
)
from components.mqtt.properties import TABLE
from components.mqtt.reasons import connack_code

pytestmark = pytest.mark.unit

texts = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=40)
blobs = st.binary(max_size=200)
packet_ids = st.integers(1, 65535)
codes = st.integers(0, 255)
_FLAGS = {0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A}
_TEXTS = {0x03, 0x08, 0x12, 0x15, 0x1A, 0x1C, 0x1F}
_BLOBS = {0x09, 0x16}
_TWO = {0x13, 0x21, 0x22, 0x23}


def value_of(identifier: int) -> st.SearchStrategy[Any]:
    if identifier in _FLAGS:
        return st.integers(0, 1)
    if identifier in _TEXTS:
        return texts
    if identifier in _BLOBS:
        return blobs
    if identifier == Property.USER_PROPERTY:
        return st.lists(st.tuples(texts, texts), min_size=1, max_size=3).map(tuple)
    if identifier == Property.SUBSCRIPTION_ID:
        return st.lists(st.integers(1, 268_435_455), min_size=1, max_size=3).map(tuple)
    return st.integers(1, 0xFFFF if identifier in _TWO else 0xFFFF_FFFF)


def properties(packet: str) -> st.SearchStrategy[dict[int, Any]]:
    allowed = {identifier: value_of(identifier) for identifier, row in TABLE.items() if packet in row[2]}
    return st.fixed_dictionaries({}, optional=allowed)


def acknowledgements(kind: type[Packet]) -> st.SearchStrategy[Packet]:
    return st.builds(kind, packet_ids, codes, properties(kind.__name__.lower()))


wills = st.builds(Will, texts, blobs, st.integers(0, 2), st.booleans(), properties("will"))
subscriptions = st.builds(Subscription, texts, st.integers(0, 2), st.booleans(), st.booleans(), st.integers(0, 2))
publishes = st.one_of(
    st.builds(Publish, texts, blobs, st.just(0), st.booleans(), properties=properties("publish")),
    st.builds(
        Publish, texts, blobs, st.integers(1, 2), st.booleans(), st.booleans(), packet_ids, properties("publish")
    ),
)
connects = st.builds(
    Connect,
    texts,
    st.booleans(),
    st.integers(0, 65535),
    st.none() | texts,
    st.none() | blobs,
    st.none() | wills,
    properties("connect"),
    st.just(5),
)
from_server = st.one_of(
    st.builds(Connack, codes, st.booleans(), properties("connack")),
    st.builds(Suback, packet_ids, st.lists(codes, min_size=1, max_size=5).map(tuple), properties("suback")),
    st.builds(Unsuback, packet_ids, st.lists(codes, min_size=1, max_size=5).map(tuple), properties("unsuback")),
    st.just(Pingresp()),
)
from_anybody = st.one_of(
    publishes,
    *(acknowledgements(kind) for kind in (Puback, Pubrec, Pubrel, Pubcomp)),
    st.builds(
        Subscribe, packet_ids, st.lists(subscriptions, min_size=1, max_size=4).map(tuple), properties("subscribe")
    ),
    st.builds(Unsubscribe, packet_ids, st.lists(texts, min_size=1, max_size=4).map(tuple), properties("unsubscribe")),
    st.just(Pingreq()),
    st.builds(Disconnect, codes, properties("disconnect")),
    st.builds(Auth, codes, properties("auth")),
)
packets = from_server | from_anybody


@given(packets)
def test_every_packet_of_mqtt_5_survives_a_round_trip(packet: Packet) -> None:
    assert Decoder(level=5).feed(encode(packet, 5)) == [packet]


@given(connects)
def test_a_connect_survives_a_round_trip_and_tells_the_decoder_its_level(packet: Connect) -> None:
    decoder = Decoder()
    assert decoder.feed(encode(packet)) == [packet]
    assert decoder.level == 5


@pytest.mark.parametrize("level", [3, 4])
@pytest.mark.parametrize("bridge", [False, True])
def test_a_connect_of_mqtt_3_keeps_its_bridge_bit(level: int, bridge: bool) -> None:
    packet = Connect("c", False, 30, "u", b"p", Will("w", b"gone", 1, True), level=level, bridge=bridge)
    data = encode(packet)
    assert data[8 if level == 4 else 10] == level | bridge << 7
    assert Decoder().feed(data) == [packet]


@given(st.lists(packets, max_size=5), st.data())
def test_any_cut_of_the_bytes_gives_the_same_packets(wanted: list[Packet], data: st.DataObject) -> None:
    stream = b"".join(encode(packet, 5) for packet in wanted)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    decoder, found = Decoder(level=5), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += decoder.feed(stream[start:end])
    assert found == wanted
    assert decoder.feed(encode(Pingreq(), 5)) == [Pingreq()]


@given(st.binary(max_size=100), st.sampled_from([None, 3, 4, 5]))
def test_junk_is_malformed_or_incomplete_and_nothing_else(junk: bytes, level: int | None) -> None:
    decoder = Decoder(level)
    try:
        decoder.feed(junk)
    except MalformedPacket:
        return


@given(packets, st.data())
def test_a_flipped_byte_is_another_packet_or_malformed(packet: Packet, data: st.DataObject) -> None:
    stream = bytearray(encode(packet, 5))
    stream[data.draw(st.integers(0, len(stream) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        Decoder(level=5).feed(bytes(stream))
    except MalformedPacket:
        return


@pytest.mark.parametrize(
    ("packet", "level", "recorded"),
    [
        (Disconnect(Reason.ADMINISTRATIVE_ACTION), 5, "e0029800"),
        (Disconnect(Reason.SESSION_TAKEN_OVER), 5, "e0028e00"),
        (Disconnect(Reason.USE_ANOTHER_SERVER), 5, "e0029c00"),
        (
            Disconnect(Reason.USE_ANOTHER_SERVER, {Property.SERVER_REFERENCE: "127.0.1.1:1883 127.0.1.3:1883"}),
            5,
            "e0229c201c001d3132372e302e312e313a31383833203132372e302e312e333a31383833",
        ),
        (Connack(Reason.USE_ANOTHER_SERVER), 5, "2003009c00"),
        (Connack(Reason.BAD_USERNAME_OR_PASSWORD), 5, "2003008600"),
        (Connack(3), 4, "20020003"),
        (Connack(0, session_present=True), 4, "20020100"),
        (
            Connack(0, properties={0x21: 32, 0x27: 1048576, 0x2A: 1, 0x29: 1, 0x28: 1, 0x25: 1, 0x22: 65535}),
            5,
            "201600001321002027001000002a0129012801250122ffff",
        ),
        (Puback(2), 5, "400400020000"),
        (Puback(1), 4, "40020001"),
        (Pubrec(1, Reason.NOT_AUTHORIZED), 5, "500400018700"),
        (Suback(1, (0x87,)), 5, "900400010087"),
        (Suback(1, (0x80,)), 4, "9003000180"),
        (Pingresp(), 4, "d000"),
        (
            Publish("upgrade-probe/x", b"hi", 1, packet_id=1, retain=True, dup=False),
            4,
            "3315000f757067726164652d70726f62652f7800016869",
        ),
    ],
)
def test_the_bytes_are_those_of_the_recordings(packet: Packet, level: int, recorded: str) -> None:
    assert encode(packet, level).hex() == recorded
    assert Decoder(level).feed(bytes.fromhex(recorded)) == [packet]


@pytest.mark.parametrize("length", [0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])
def test_the_remaining_length_grows_at_its_limits(length: int) -> None:
    packet = Publish("", bytes(length))
    assert Decoder(level=4).feed(encode(packet, 4)) == [packet]


@pytest.mark.parametrize(
    "junk",
    [
        "0000",  # type 0
        "30ffffffffff",  # a remaining length of more than four bytes
        "3600",  # QoS 3
        "3803000161",  # DUP at QoS 0
        "6002000a",  # PUBREL without its flags
        "82020001",  # SUBSCRIBE without a filter
        "820600010001611f",  # reserved bits in the options
        "32050001610000",  # packet id 0
        "30040002c328",  # a topic that is no UTF-8
        "3003000100",  # a topic with U+0000
        "c00100",  # a PINGREQ with a body
    ],
)
def test_what_breaks_the_protocol_is_malformed(junk: str) -> None:
    with pytest.raises(MalformedPacket):
        Decoder(level=4).feed(bytes.fromhex(junk))


def test_nothing_may_come_before_connect() -> None:
    with pytest.raises(MalformedPacket, match="before CONNECT"):
        Decoder().feed(encode(Pingreq()))


def test_a_level_that_nobody_knows_is_decoded_far_enough_to_be_refused() -> None:
    assert Decoder().feed(bytes.fromhex("100d00044d515454060200050001" + "61")) == [Connect(level=6)]


def test_a_packet_over_the_limit_is_refused_before_it_is_there() -> None:
    with pytest.raises(PacketTooLarge):
        Decoder(level=4, max_packet_size=100).feed(encode(Publish("t", bytes(200)))[:5])


def test_a_property_may_stand_once_and_only_where_it_belongs() -> None:
    twice = bytes.fromhex("e00c840a") + bytes.fromhex("1100000001") * 2
    with pytest.raises(MalformedPacket, match="twice"):
        Decoder(level=5).feed(twice)
    with pytest.raises(MalformedPacket, match="not allowed"):
        Decoder(level=5).feed(encode(Disconnect(0, {Property.TOPIC_ALIAS: 1}), 5))


@pytest.mark.parametrize(
    ("reason", "code"), [(0x84, 1), (0x85, 2), (0x97, 3), (0x9C, 3), (0x86, 4), (0x87, 5), (0x8A, 5)]
)
def test_reasons_have_the_recorded_return_codes(reason: int, code: int) -> None:
    assert connack_code(reason) == code
