"""An EMQX cluster of N nodes in one process, behaving as recorded (docs/emqx): MQTT, management API, boot and faults."""
