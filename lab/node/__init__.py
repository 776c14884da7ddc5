"""An EMQX cluster of N nodes in one process, behaving as recorded (docs/emqx): MQTT, management API, boot and faults.

From below: `kept` (what is stored) and `network`; `rules` (who may do what); `broker` (MQTT); `archive` (backups) and `moving` (evacuation, rebalance);
`api` (the management API); `boot`, `process`, `control`, `ground` (one process with all of it), `lifeline` and `cli` (who holds it up).  Imports go that way only.
"""
