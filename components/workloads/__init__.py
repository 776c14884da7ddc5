"""What runs on Kubernetes: waited for with a reason, and brought to what the ledger says; declaring it is Pulumi's."""
