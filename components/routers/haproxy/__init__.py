"""Router `haproxy`: one number on every replica, compared with the hash of the client id."""
