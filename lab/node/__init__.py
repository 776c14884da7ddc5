"""An EMQX cluster of N nodes in one process, behaving as recorded in the contract: MQTT, management API, boot and faults."""
