"""A stand-in for the WFM on the loopback, and sample exports to send to it."""
