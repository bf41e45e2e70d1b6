"""A pretend WooCommerce shop: what the demo sells in, the tests talk to and the benchmarks read from.

Nothing here imports the product; it only speaks WooCommerce's REST API v3 and webhooks, so that the product meets it
through the same door as a real shop. Start with `server.py`, the rules of the shop are in `shop.py`.
"""
