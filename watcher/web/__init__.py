"""The status page, `/metrics` and `/health`: only reads, in a thread of its own, if asked for."""
