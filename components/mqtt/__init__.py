"""MQTT 3.1.1 and 5 packets as values; encoding and decoding only, no sockets."""
