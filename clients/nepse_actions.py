"""What the service `nepse` can do: each action and what it gives. Imports nothing, so that `--help` answers at once."""

ACTIONS = {
    "access-token": "a usable access token, decoded, with its age",
    "security-brief": "every listed security: id, symbol, name, status",
    "post-payload-id": "the body id of index graphs, and its token",
    "post-payload-id-floor-sheet": "the body id of the floor sheet, and its token",
    "symbol-id-map": "the exchange's id of every symbol",
    "market-status": "whether the market is open, and since when",
    "market-id": "the market's id",
    "salts": "the session's five salts, and its token",
}
