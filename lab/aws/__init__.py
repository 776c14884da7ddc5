"""AWS on this machine: moto answers the API, and what it says is there is played by processes."""
