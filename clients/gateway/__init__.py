"""The pure parts of the gateway: what is said at the edge, to whom, and who may ask. The shell is `clients.gateway.process`."""
