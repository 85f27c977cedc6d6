"""Whether all is well: one judge, for `hulak check`, `top`, `status` and `up`, the page, `/readyz` and `/metrics`."""
