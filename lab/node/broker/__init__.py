"""MQTT: from bytes on a socket to sessions, messages and nodes."""
