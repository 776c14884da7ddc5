"""What we ask of the machine we run on: processes, locks and files; it knows neither EMQX nor Pulumi."""
